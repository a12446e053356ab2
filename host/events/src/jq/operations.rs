//! What programs do with values: arithmetic, and reaching into lists and maps. Each operation is charged before it is done.

use super::budget;
use super::value::{ELEMENT, List, Map, Value};
use indexmap::IndexMap;
use jaq_core::Error;
use jaq_core::ops::Math;
use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::rc::Rc;

pub(super) type Outcome = Result<Value, Error<Value>>;

impl From<bool> for Value {
    fn from(bool: bool) -> Self {
        Self::Bool(bool)
    }
}

impl From<isize> for Value {
    fn from(integer: isize) -> Self {
        budget::work(0);
        Self::Integer(integer as i128)
    }
}

impl From<usize> for Value {
    fn from(integer: usize) -> Self {
        budget::work(0);
        Self::Integer(integer as i128)
    }
}

impl From<f64> for Value {
    fn from(float: f64) -> Self {
        budget::work(0);
        Self::Float(float)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl FromIterator<Self> for Value {
    fn from_iter<I: IntoIterator<Item = Self>>(items: I) -> Self {
        Self::list(items.into_iter().inspect(|_| budget::allocate(ELEMENT)).collect())
    }
}

/// Integers as long as they fit, then floating point.
fn number(left: &Value, right: &Value, whole: fn(i128, i128) -> Option<i128>, float: fn(f64, f64) -> f64) -> Option<Value> {
    budget::work(0);
    if let (Value::Integer(left), Value::Integer(right)) = (left, right) {
        // Beyond 64 bits no JSON number is exact.
        let fits = |result: &i128| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(result);
        if let Some(result) = whole(*left, *right).filter(fits) {
            return Some(Value::Integer(result));
        }
    }
    Some(Value::Float(float(left.as_float()?, right.as_float()?)))
}

/// The list to change in place; a shared one is copied first, and paid for.
pub(super) fn own_list(list: &mut Rc<List>) -> &mut List {
    if Rc::strong_count(list) > 1 {
        budget::allocate(list.items.len() * ELEMENT);
    }
    Rc::make_mut(list)
}

pub(super) fn own_map(map: &mut Rc<Map>) -> &mut Map {
    if Rc::strong_count(map) > 1 {
        budget::allocate(map.entries.len() * 2 * ELEMENT);
    }
    Rc::make_mut(map)
}

impl Map {
    pub(super) fn put(&mut self, key: Rc<str>, value: Value) {
        budget::allocate(2 * ELEMENT);
        self.depth = budget::depth(self.depth.max(value.depth() + 1));
        self.entries.insert(key, value);
    }
}

impl Add for Value {
    type Output = Outcome;

    fn add(self, other: Self) -> Outcome {
        match (self, other) {
            (Self::Null, value) | (value, Self::Null) => Ok(value),
            (Self::Text(left), Self::Text(right)) => {
                budget::allocate(left.len() + right.len() + ELEMENT);
                Ok(Self::Text([&*left, &*right].concat().into()))
            }
            (Self::List(mut left), Self::List(right)) => {
                budget::allocate(right.items.len() * ELEMENT);
                let list = own_list(&mut left);
                list.depth = list.depth.max(right.depth);
                list.items.extend(right.items.iter().cloned());
                Ok(Self::List(left))
            }
            (Self::Map(mut left), Self::Map(right)) => {
                let map = own_map(&mut left);
                right.entries.iter().for_each(|(key, value)| map.put(key.clone(), value.clone()));
                Ok(Self::Map(left))
            }
            (left, right) => number(&left, &right, i128::checked_add, |left, right| left + right)
                .ok_or_else(|| Error::math(left, Math::Add, right)),
        }
    }
}

impl Sub for Value {
    type Output = Outcome;

    fn sub(self, other: Self) -> Outcome {
        match (self, other) {
            (Self::List(mut left), Self::List(right)) => {
                own_list(&mut left).items.retain(|item| !right.items.contains(item));
                Ok(Self::List(left))
            }
            (left, right) => number(&left, &right, i128::checked_sub, |left, right| left - right)
                .ok_or_else(|| Error::math(left, Math::Sub, right)),
        }
    }
}

fn merge(left: &mut Rc<Map>, right: &Map) {
    let map = own_map(left);
    for (key, value) in &right.entries {
        budget::work(0);
        match (map.entries.get_mut(key), value) {
            (Some(Value::Map(inner)), Value::Map(value)) => {
                merge(inner, value);
                map.depth = budget::depth(map.depth.max(inner.depth + 1));
            }
            _ => map.put(key.clone(), value.clone()),
        }
    }
}

impl Mul for Value {
    type Output = Outcome;

    fn mul(self, other: Self) -> Outcome {
        match (self, other) {
            (Self::Text(text), times @ (Self::Integer(_) | Self::Float(_)))
            | (times @ (Self::Integer(_) | Self::Float(_)), Self::Text(text)) => {
                let times = times.as_float().unwrap_or(0.0);
                if times.is_nan() || times <= 0.0 {
                    return Ok(Self::Null);
                }
                // A conversion that saturates; the product is charged before it is made.
                let times = (times as usize).max(1);
                budget::allocate(text.len().saturating_mul(times).saturating_add(ELEMENT));
                Ok(Self::Text(text.repeat(if text.is_empty() { 1 } else { times }).into()))
            }
            (Self::Map(mut left), Self::Map(right)) => {
                merge(&mut left, &right);
                Ok(Self::Map(left))
            }
            (left, right) => number(&left, &right, i128::checked_mul, |left, right| left * right)
                .ok_or_else(|| Error::math(left, Math::Mul, right)),
        }
    }
}

impl Div for Value {
    type Output = Outcome;

    fn div(self, other: Self) -> Outcome {
        let exact = |left: i128, right: i128| (right != 0 && left % right == 0).then(|| left / right);
        match (self, other) {
            (Self::Text(text), Self::Text(separator)) => {
                budget::work(text.len());
                if text.is_empty() {
                    return Ok(Self::list(Vec::new()));
                }
                if separator.is_empty() {
                    return Ok(text.chars().map(|character| Self::text(character.to_string())).collect());
                }
                Ok(text.split(&*separator).map(Self::text).collect())
            }
            (left, right) => {
                number(&left, &right, exact, |left, right| left / right).ok_or_else(|| Error::math(left, Math::Div, right))
            }
        }
    }
}

impl Rem for Value {
    type Output = Outcome;

    fn rem(self, other: Self) -> Outcome {
        match (&self, &other) {
            (Self::Integer(_), Self::Integer(0)) => Err(Error::math(self, Math::Rem, other)),
            _ => number(&self, &other, i128::checked_rem, |left, right| left % right)
                .ok_or_else(|| Error::math(self, Math::Rem, other)),
        }
    }
}

impl Neg for Value {
    type Output = Outcome;

    fn neg(self) -> Outcome {
        match self {
            Self::Float(float) => Ok(Self::Float(-float)),
            value @ Self::Integer(_) => Self::Integer(0) - value,
            value => Err(Error::typ(value, "number")),
        }
    }
}

impl From<jaq_core::val::Range<Value>> for Value {
    fn from(range: jaq_core::val::Range<Value>) -> Self {
        let ends = [("start", range.start), ("end", range.end)];
        let entries: IndexMap<_, _> = ends.into_iter().filter_map(|(key, end)| Some((key.into(), end?))).collect();
        budget::allocate(4 * ELEMENT);
        Self::map(entries)
    }
}
