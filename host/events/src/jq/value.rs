//! The values that programs compute with: JSON's, cheap to clone, each with its depth, and charged to the budget.
//!
//! jaq's own value type would do the same arithmetic, but without bounds: `"x" * 1e9` allocates before anybody is asked.

use super::budget::{self, Exhausted};
use indexmap::IndexMap;
use serde_json::Number;
use std::cmp::Ordering;
use std::fmt::{self, Display, Write};
use std::rc::Rc;

/// What a list's element or a map's entry takes, roughly.
pub(super) const ELEMENT: usize = 48;

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// Wide enough for all that JSON carries as an integer without loss.
    Integer(i128),
    Float(f64),
    Text(Rc<str>),
    List(Rc<List>),
    Map(Rc<Map>),
}

/// The elements, and how deep they are nested at most: 1 for a list of scalars.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(super) items: Vec<Value>,
    pub(super) depth: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Map {
    pub(super) entries: IndexMap<Rc<str>, Value>,
    pub(super) depth: u32,
}

impl Value {
    pub(super) fn text(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        budget::allocate(text.len() + ELEMENT);
        Self::Text(text.into())
    }

    /// A list of what was charged when it was gathered.
    pub(super) fn list(items: Vec<Value>) -> Self {
        budget::work(items.len());
        let depth = items.iter().map(Value::depth).max().unwrap_or(0);
        Self::List(Rc::new(List { depth: budget::depth(depth + 1), items }))
    }

    pub(super) fn map(entries: IndexMap<Rc<str>, Value>) -> Self {
        budget::work(entries.len());
        let depth = entries.values().map(Value::depth).max().unwrap_or(0);
        Self::Map(Rc::new(Map { depth: budget::depth(depth + 1), entries }))
    }

    pub(super) fn depth(&self) -> u32 {
        match self {
            Self::List(list) => list.depth,
            Self::Map(map) => map.depth,
            _ => 0,
        }
    }

    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// A whole number, also one that is written as `1.0`.
    pub(super) fn as_whole(&self) -> Option<i128> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Float(number) if number.fract() == 0.0 && number.abs() < 1e18 => Some(*number as i128),
            _ => None,
        }
    }

    /// From JSON.
    pub(super) fn from_json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(bool) => Self::Bool(*bool),
            serde_json::Value::Number(number) => match number.as_i128() {
                Some(integer) => Self::Integer(integer),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => Self::text(text),
            serde_json::Value::Array(items) => {
                budget::allocate(items.len() * ELEMENT);
                Self::list(items.iter().map(Self::from_json).collect())
            }
            serde_json::Value::Object(map) => {
                budget::allocate(map.iter().map(|(key, _)| key.len() + 2 * ELEMENT).sum());
                Self::map(map.iter().map(|(key, value)| (key.as_str().into(), Self::from_json(value))).collect())
            }
        }
    }

    /// To JSON. `room` is how many bytes of text are still allowed.
    pub(super) fn to_json(&self, room: &mut usize) -> serde_json::Value {
        let mut take = |bytes: usize| match room.checked_sub(bytes) {
            Some(rest) => *room = rest,
            None => budget::stop(Exhausted::Output),
        };
        match self {
            Self::Null => take(4),
            Self::Bool(_) => take(5),
            Self::Integer(_) | Self::Float(_) => take(8),
            Self::Text(text) => take(text.len() + 2),
            Self::List(list) => take(list.items.len() + 2),
            Self::Map(map) => take(map.entries.keys().map(|key| key.len() + 4).sum::<usize>() + 2),
        }
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(bool) => (*bool).into(),
            Self::Integer(integer) => Number::from_i128(*integer)
                .or_else(|| Number::from_f64(*integer as f64))
                .map_or(serde_json::Value::Null, Into::into),
            // JSON has neither infinities nor NaN.
            Self::Float(float) => Number::from_f64(*float).map_or(serde_json::Value::Null, Into::into),
            Self::Text(text) => text.as_ref().into(),
            Self::List(list) => list.items.iter().map(|item| item.to_json(room)).collect::<Vec<_>>().into(),
            Self::Map(map) => {
                serde_json::Value::Object(map.entries.iter().map(|(key, value)| (key.to_string(), value.to_json(room))).collect())
            }
        }
    }
}

/// As JSON, in one line.
impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        budget::allocate(ELEMENT);
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(bool) => write!(f, "{bool}"),
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Float(float) => match Number::from_f64(*float) {
                // As jq writes it: 1, not 1.0.
                Some(_) if float.fract() == 0.0 && float.abs() < 1e17 => write!(f, "{float:.0}"),
                Some(number) => write!(f, "{number}"),
                None => f.write_str("null"),
            },
            Self::Text(text) => quote(f, text),
            Self::List(list) => {
                f.write_char('[')?;
                for (index, item) in list.items.iter().enumerate() {
                    write!(f, "{}{item}", if index > 0 { "," } else { "" })?;
                }
                f.write_char(']')
            }
            Self::Map(map) => {
                f.write_char('{')?;
                for (index, (key, value)) in map.entries.iter().enumerate() {
                    f.write_str(if index > 0 { "," } else { "" })?;
                    quote(f, key)?;
                    write!(f, ":{value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    budget::allocate(text.len());
    f.write_str(&serde_json::Value::from(text).to_string())
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            // NaN is the only value that does not equal itself.
            (Self::Float(left), Self::Float(right)) => left == right,
            _ => self.cmp(other) == Ordering::Equal,
        }
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// jq's order: null, booleans, numbers, strings, arrays, objects. Total, so NaN stands before all other numbers.
impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        budget::work(0);
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => left.cmp(right),
            (Self::Integer(left), Self::Integer(right)) => left.cmp(right),
            (Self::Integer(_) | Self::Float(_), Self::Integer(_) | Self::Float(_)) => {
                let (left, right) = (self.as_float().unwrap_or(f64::NAN), other.as_float().unwrap_or(f64::NAN));
                left.partial_cmp(&right).unwrap_or_else(|| right.is_nan().cmp(&left.is_nan()))
            }
            (Self::Text(left), Self::Text(right)) => {
                budget::work(left.len().min(right.len()) / 16);
                left.cmp(right)
            }
            (Self::List(left), Self::List(right)) => left.items.cmp(&right.items),
            (Self::Map(left), Self::Map(right)) => {
                budget::allocate((left.entries.len() + right.entries.len()) * 16);
                let sorted = |map: &Map| {
                    let mut keys: Vec<_> = map.entries.keys().cloned().collect();
                    keys.sort();
                    keys
                };
                let (keys, others) = (sorted(left), sorted(right));
                keys.cmp(&others).then_with(|| {
                    keys.iter()
                        .map(|key| left.entries[key].cmp(&right.entries[key]))
                        .find(|order| order.is_ne())
                        .unwrap_or(Ordering::Equal)
                })
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl Value {
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Integer(_) | Self::Float(_) => 2,
            Self::Text(_) => 3,
            Self::List(_) => 4,
            Self::Map(_) => 5,
        }
    }
}
