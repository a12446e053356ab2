//! What jaq asks of a value: children by key, index and range, and changing them in place.

use super::budget;
use super::operations::{Outcome, own_list, own_map};
use super::value::{ELEMENT, Value};
use indexmap::IndexMap;
use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{Error, Exn, ValX};
use std::rc::Rc;

/// What it costs to visit a child: with `..` it passes through as many iterators as there are levels above it.
const CHILD: usize = 200;

type Failure = Error<Value>;

/// Where a negative index counts from the end.
fn position(index: &Value, length: usize) -> Result<Option<usize>, Failure> {
    let index = match index {
        Value::Float(float) => float.floor() as i128,
        _ => index.as_whole().ok_or_else(|| Error::typ(index.clone(), "integer"))?,
    };
    let index = if index < 0 { index + length as i128 } else { index };
    Ok(usize::try_from(index).ok())
}

/// The part of `length` that a range names.
fn part(range: Range<&Value>, length: usize) -> Result<std::ops::Range<usize>, Failure> {
    let bound = |bound: Option<&Value>, default: usize| match bound {
        None | Some(Value::Null) => Ok(default),
        Some(value) => position(value, length).map(|index| index.unwrap_or(0).min(length)),
    };
    let (start, end) = (bound(range.start, 0)?, bound(range.end, length)?);
    Ok(start..end.max(start))
}

/// A range of characters as one of bytes.
fn characters(text: &str, range: Range<&Value>) -> Result<std::ops::Range<usize>, Failure> {
    budget::work(text.len());
    let part = part(range, text.chars().count())?;
    let byte = |index: usize| text.char_indices().nth(index).map_or(text.len(), |(byte, _)| byte);
    Ok(byte(part.start)..byte(part.end))
}

/// `{"start": …, "end": …}`, as paths name a range.
fn as_range(index: &Value) -> Option<Range<&Value>> {
    let Value::Map(map) = index else { return None };
    Some(map.entries.get("start")..map.entries.get("end"))
}

fn first<'a>(mut values: impl Iterator<Item = ValX<'a, Value>>) -> Result<Option<Value>, Exn<'a, Value>> {
    values.next().transpose()
}

impl jaq_core::ValT for Value {
    fn from_num(number: &str) -> Outcome {
        budget::work(number.len());
        Ok(match number.parse::<i64>() {
            Ok(integer) => Self::Integer(integer.into()),
            Err(_) => Self::Float(number.parse().map_err(Error::str)?),
        })
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(entries: I) -> Outcome {
        let mut map = IndexMap::new();
        for (key, value) in entries {
            budget::allocate(2 * ELEMENT);
            let Self::Text(key) = key else { return Err(Error::typ(key, "string")) };
            map.insert(key, value);
        }
        Ok(Self::map(map))
    }

    fn key_values(self) -> BoxIter<'static, Result<(Self, Self), Failure>> {
        match self {
            Self::List(list) => {
                budget::work(list.items.len() * CHILD);
                budget::allocate(list.items.len() * ELEMENT);
                let items = list.items.clone().into_iter();
                Box::new(items.enumerate().map(|(index, item)| Ok((Self::from(index), item))))
            }
            Self::Map(map) => {
                budget::work(map.entries.len() * CHILD);
                budget::allocate(map.entries.len() * ELEMENT);
                let entries = map.entries.clone().into_iter();
                Box::new(entries.map(|(key, value)| Ok((Self::Text(key), value))))
            }
            value => box_once(Err(Error::typ(value, "iterable (array or object)"))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = Outcome>> {
        match self {
            Self::List(list) => {
                let next = move |index: usize| {
                    budget::work(CHILD);
                    list.items.get(index).cloned().map(Ok)
                };
                Box::new((0..).map_while(next))
            }
            Self::Map(map) => {
                let next = move |index: usize| {
                    budget::work(CHILD);
                    map.entries.get_index(index).map(|(_, value)| Ok(value.clone()))
                };
                Box::new((0..).map_while(next))
            }
            value => box_once(Err(Error::typ(value, "iterable (array or object)"))),
        }
    }

    fn index(self, index: &Self) -> Outcome {
        budget::work(0);
        if let Some(range) = as_range(index).filter(|_| !matches!(self, Self::Map(_))) {
            return self.range(range);
        }
        match (&self, index) {
            (Self::Null, Self::Null | Self::Integer(_) | Self::Float(_) | Self::Text(_)) => Ok(Self::Null),
            (Self::Map(map), Self::Text(key)) => Ok(map.entries.get(key).cloned().unwrap_or(Self::Null)),
            (Self::List(list), Self::Integer(_) | Self::Float(_)) => {
                let position = position(index, list.items.len())?;
                Ok(position.and_then(|position| list.items.get(position)).cloned().unwrap_or(Self::Null))
            }
            _ => Err(Error::index(self, index.clone())),
        }
    }

    fn range(self, range: Range<&Self>) -> Outcome {
        match &self {
            Self::Null => Ok(Self::Null),
            Self::Text(text) => Ok(Self::text(&text[characters(text, range)?])),
            Self::List(list) => Ok(list.items[part(range, list.items.len())?].iter().cloned().collect()),
            _ => Err(Error::typ(self, "rangeable (array or string)")),
        }
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(self, opt: Opt, change: impl Fn(Self) -> I) -> ValX<'a, Self> {
        match self {
            Self::List(list) => {
                let items = list.items.iter().cloned().flat_map(change);
                items.collect()
            }
            Self::Map(map) => {
                let mut entries = IndexMap::new();
                for (key, value) in &map.entries {
                    budget::allocate(2 * ELEMENT);
                    if let Some(value) = first(change(value.clone()))? {
                        entries.insert(key.clone(), value);
                    }
                }
                Ok(Self::map(entries))
            }
            value => opt.fail(value, |value| Error::typ(value, "iterable (array or object)").into()),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        change: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        if let Some(range) = as_range(index).filter(|_| !matches!(self, Self::Map(_))) {
            return self.map_range(range, opt, change);
        }
        match (self, index) {
            (Self::Null, Self::Text(_)) => Self::map(IndexMap::new()).map_index(index, opt, change),
            (Self::Null, Self::Integer(_)) => Self::list(Vec::new()).map_index(index, opt, change),
            (Self::Map(mut map), Self::Text(key)) => {
                // Taken out while it is changed, so that it is not shared and need not be copied.
                let entries = own_map(&mut map);
                let old = entries.entries.get_mut(key).map(|value| std::mem::replace(value, Self::Null));
                match first(change(old.unwrap_or(Self::Null)))? {
                    Some(value) => entries.put(key.clone(), value),
                    None => {
                        budget::work(entries.entries.len());
                        entries.entries.shift_remove(key);
                    }
                }
                Ok(Self::Map(map))
            }
            (Self::List(mut list), Self::Integer(_) | Self::Float(_)) => {
                let length = list.items.len();
                let Some(position) = position(index, length).map_err(Exn::from)? else {
                    let message = format!("index {index} out of bounds");
                    return opt.fail(Self::List(list), |_| Error::str(message).into());
                };
                let old = match list.items.get(position) {
                    Some(_) => std::mem::replace(&mut own_list(&mut list).items[position], Self::Null),
                    None => Self::Null,
                };
                match first(change(old))? {
                    Some(value) => {
                        let list = own_list(&mut list);
                        if position >= length {
                            budget::allocate((position - length).saturating_add(1).saturating_mul(ELEMENT));
                            list.items.resize(position + 1, Self::Null);
                        }
                        list.depth = budget::depth(list.depth.max(value.depth() + 1));
                        list.items[position] = value;
                    }
                    None if position < length => {
                        budget::work(length);
                        own_list(&mut list).items.remove(position);
                    }
                    None => {}
                }
                Ok(Self::List(list))
            }
            (value, index) => opt.fail(value, |value| Error::index(value, index.clone()).into()),
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: Range<&Self>,
        opt: Opt,
        change: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        match self {
            Self::List(list) => {
                let part = match part(range, list.items.len()) {
                    Ok(part) => part,
                    Err(error) => return opt.fail(Self::List(list), |_| error.into()),
                };
                let old = list.items[part.clone()].iter().cloned().collect();
                let new = match first(change(old))? {
                    Some(Self::List(new)) => new.items.clone(),
                    Some(other) => return Err(Error::typ(other, "array").into()),
                    None => Vec::new(),
                };
                let (before, after) = (&list.items[..part.start], &list.items[part.end..]);
                Ok(before.iter().cloned().chain(new).chain(after.iter().cloned()).collect())
            }
            Self::Text(text) => {
                let part = match characters(&text, range) {
                    Ok(part) => part,
                    Err(error) => return opt.fail(Self::Text(text), |_| error.into()),
                };
                let new = match first(change(Self::text(&text[part.clone()])))? {
                    Some(Self::Text(new)) => new,
                    Some(other) => return Err(Error::typ(other, "string").into()),
                    None => Rc::from(""),
                };
                budget::allocate(text.len() + new.len());
                Ok(Self::text([&text[..part.start], &*new, &text[part.end..]].concat()))
            }
            value => opt.fail(value, |value| Error::typ(value, "rangeable (array or string)").into()),
        }
    }

    fn as_bool(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    fn into_string(self) -> Self {
        match self {
            Self::Text(_) => self,
            value => Self::text(value.to_string()),
        }
    }
}

impl jaq_std::ValT for Value {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match self {
            Self::List(list) => {
                budget::allocate(list.items.len() * ELEMENT);
                Ok(list.items.iter().cloned().collect())
            }
            value => Err(value),
        }
    }

    fn is_int(&self) -> bool {
        matches!(self, Self::Integer(_))
    }

    fn as_isize(&self) -> Option<isize> {
        match self {
            Self::Integer(integer) => isize::try_from(*integer).ok(),
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        self.as_float()
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => {
                // Who asks is going to look at all of them, and often makes a copy of a few times their size.
                budget::allocate(2 * text.len());
                Some(text.as_bytes())
            }
            _ => None,
        }
    }

    fn as_sub_str(&self, sub: &[u8]) -> Self {
        Self::text(String::from_utf8_lossy(sub))
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Self::text(String::from_utf8_lossy(bytes.as_ref()))
    }
}
