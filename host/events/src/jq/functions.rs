//! The functions that programs may call: jq's own, less whatever reaches outside or differs from run to run.
//!
//! Not there: `env`, `$ENV`, `input`, `inputs`, `input_line_number`, `now`, `localtime`, `strflocaltime`, `strptime` (it
//! may consult time-zone data), `mktime`, `halt`, `halt_error`, `debug`, `stderr`, `jn`, `yn`, `import`, `include`.

use super::value::{ELEMENT, Value};
use super::{Machine, budget, pattern};
use jaq_core::Error;
use jaq_core::load::parse::Def;
use jaq_core::native::{Fun, bome, run, unary, v};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Taken away from jaq's own.
const FUNCTIONS_AWAY: &[&str] = &[
    "env",
    "now",
    "localtime",
    "strflocaltime",
    "strptime",
    "mktime",
    "halt",
    "debug_empty",
    "stderr_empty",
    "matches",
    "split_matches",
    "split_",
    // They take as many rounds as their argument says, and are charged for none.
    "jn",
    "yn",
];

const DEFINITIONS_AWAY: &[&str] = &["halt", "halt_error", "debug", "stderr", "isnan", "splits", "ascii", "todate", "fromdate"];

/// jaq's definitions for its own value type, and what is in jq but not in jaq.
const DEFINITIONS: &str = r#"
def isnan: (. > true and . < "") and . != .;
def todate: todateiso8601;
def fromdate: fromdateiso8601;
def totype(p; e): if p then . else fromjson | if p then . else e end end;
def tonumber: totype(isnumber; error("cannot parse as number"));
def toboolean: totype(isboolean; error("cannot parse as boolean"));
def transpose: [range([.[] | length] | max) as $i | [.[][$i]]];
def in(xs): . as $x | xs | has($x);
def inside(xs): . as $x | xs | contains($x);
def index($i): indices($i)[0];
def rindex($i): indices($i)[-1];
def @json: tojson;
def splits(re): split(re; "")[];
def splits(re; flags): split(re; flags)[];
def @csv: [.[] | if isstring then "\"" + (gsub("\""; "\"\"")) + "\"" elif . == null then "" else tostring end] | join(",");
def @tsv: [.[] | if isstring then gsub("\\\\"; "\\\\") | gsub("\t"; "\\t") | gsub("\n"; "\\n") | gsub("\r"; "\\r")
  elif . == null then "" else tostring end] | join("\t");
"#;

/// A definition, and the names that it mentions.
struct Known {
    definition: Def<&'static str>,
    mentions: BTreeSet<&'static str>,
}

static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let ours = jaq_core::load::parse(DEFINITIONS, |parser| parser.defs()).unwrap_or_default();
    let theirs = jaq_core::defs().chain(jaq_std::defs()).filter(|definition| !DEFINITIONS_AWAY.contains(&definition.name));
    let definitions: Vec<_> = theirs.chain(ours).collect();
    let names: BTreeSet<&str> =
        definitions.iter().map(|definition| definition.name).chain(all_natives().map(|(name, ..)| name)).collect();
    let mentions = |definition: &Def<&'static str>| {
        let text = format!("{definition:?}");
        names.iter().copied().filter(|name| text.contains(&format!("{name:?}"))).collect()
    };
    definitions.into_iter().map(|definition| Known { mentions: mentions(&definition), definition }).collect()
});

/// The definitions and native functions that a program may need, judged by the words in it: a compiled program holds all
/// that it is given, and there may be one for each of 100,000 subscriptions.
pub(super) fn needed(source: &str) -> (Vec<Def<&'static str>>, Vec<Fun<Machine>>) {
    let word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut needed: BTreeSet<&str> = source.split(|character| !word(character)).collect();
    // A format is a word with a sign before it: `@json`.
    needed.extend(source.match_indices('@').map(|(start, _)| {
        let rest = &source[start + 1..];
        &source[start..start + 1 + rest.find(|character| !word(character)).unwrap_or(rest.len())]
    }));
    needed.extend(["empty", "error", "not", "true", "false", "null", "recurse", "tostring"]);
    loop {
        let before = needed.len();
        for known in &*KNOWN {
            if needed.contains(known.definition.name) {
                needed.extend(&known.mentions);
            }
        }
        if needed.len() == before {
            break;
        }
    }
    let definitions = KNOWN.iter().map(|known| &known.definition).filter(|definition| needed.contains(definition.name));
    (definitions.cloned().collect(), all_natives().filter(|(name, ..)| needed.contains(name)).collect())
}

fn all_natives() -> impl Iterator<Item = Fun<Machine>> {
    let theirs = jaq_core::funs().chain(jaq_std::funs()).filter(|(name, ..)| !FUNCTIONS_AWAY.contains(name));
    theirs.chain(ours()).chain(pattern::natives())
}

fn ours() -> impl Iterator<Item = Fun<Machine>> {
    [
        run::<Machine>(("length", v(0), |cv| bome(length(&cv.1)))),
        run::<Machine>(("tojson", v(0), |cv| bome(Ok(Value::text(cv.1.to_string()))))),
        run::<Machine>(("fromjson", v(0), |cv| bome(from_json(&cv.1)))),
        run::<Machine>(("contains", v(1), |cv| unary(cv, |value, part| Ok(contains(&value, &part).into())))),
        run::<Machine>(("has", v(1), |cv| unary(cv, |value, key| has(value, &key)))),
        run::<Machine>(("indices", v(1), |cv| unary(cv, |value, part| indices(value, &part)))),
        run::<Machine>(("bsearch", v(1), |cv| {
            unary(cv, |value, wanted| match &value {
                Value::List(list) => Ok(match list.items.binary_search(&wanted) {
                    Ok(index) => Value::from(index),
                    Err(index) => Value::from(-1 - index as isize),
                }),
                _ => Err(Error::typ(value, "array")),
            })
        })),
    ]
    .into_iter()
}

fn length(value: &Value) -> Result<Value, Error<Value>> {
    Ok(match value {
        Value::Null => Value::Integer(0),
        Value::Bool(_) => return Err(Error::str(format_args!("{value} has no length"))),
        Value::Integer(integer) => Value::Integer(integer.abs()),
        Value::Float(float) => Value::Float(float.abs()),
        Value::Text(text) => {
            budget::work(text.len());
            Value::from(text.chars().count())
        }
        Value::List(list) => Value::from(list.items.len()),
        Value::Map(map) => Value::from(map.entries.len()),
    })
}

fn from_json(value: &Value) -> Result<Value, Error<Value>> {
    let Value::Text(text) = value else { return Err(Error::typ(value.clone(), "string")) };
    // The parsed tree exists beside the value that is made of it.
    budget::allocate(text.len().saturating_mul(ELEMENT / 2));
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json) => Ok(Value::from_json(&json)),
        Err(error) => Err(Error::str(format_args!("cannot parse as JSON: {error}"))),
    }
}

fn contains(value: &Value, part: &Value) -> bool {
    budget::work(0);
    match (value, part) {
        (Value::Text(text), Value::Text(part)) => {
            budget::work(text.len() + part.len());
            text.contains(&**part)
        }
        (Value::List(list), Value::List(parts)) => {
            parts.items.iter().all(|part| list.items.iter().any(|item| contains(item, part)))
        }
        (Value::Map(map), Value::Map(parts)) => {
            parts.entries.iter().all(|(key, part)| map.entries.get(key).is_some_and(|value| contains(value, part)))
        }
        _ => value == part,
    }
}

fn has(value: Value, key: &Value) -> Result<Value, Error<Value>> {
    match (&value, key) {
        (Value::Map(map), Value::Text(key)) => Ok(map.entries.contains_key(key).into()),
        (Value::List(list), Value::Integer(index)) => {
            Ok(usize::try_from(*index).is_ok_and(|index| index < list.items.len()).into())
        }
        _ => Err(Error::index(value, key.clone())),
    }
}

fn indices(value: Value, part: &Value) -> Result<Value, Error<Value>> {
    let found: Vec<usize> = match (&value, part) {
        (Value::Null, _) => return Ok(Value::Null),
        (Value::Text(_), Value::Text(part)) if part.is_empty() => Vec::new(),
        (Value::Text(text), Value::Text(part)) => {
            let starts = text.char_indices().enumerate();
            let there = |byte: usize| {
                budget::work(1);
                text[byte..].starts_with(&**part)
            };
            starts.filter(|(_, (byte, _))| there(*byte)).map(|(index, _)| index).collect()
        }
        (Value::List(_), Value::List(part)) if part.items.is_empty() => Vec::new(),
        (Value::List(list), Value::List(part)) => {
            let windows = list.items.windows(part.items.len()).enumerate();
            windows.filter(|(_, window)| *window == &part.items[..]).map(|(index, _)| index).collect()
        }
        (Value::List(list), part) => {
            list.items.iter().enumerate().filter(|(_, item)| *item == part).map(|(index, _)| index).collect()
        }
        _ => return Err(Error::index(value, part.clone())),
    };
    Ok(found.into_iter().map(Value::from).collect())
}
