//! Regular expressions, with the linear engine, and charged before they run: jaq's own library would take a pattern that
//! compiles to megabytes.

use super::value::Value;
use super::{Machine, budget};
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{Cv, Error, ValT};
use regex::{Regex, RegexBuilder};

/// The largest compiled pattern: 256 KiB.
const LARGEST: usize = 256 * 1024;

/// A pattern that fits into so many bytes costs so much for each byte that it looks at, in the worst case.
const COSTS: [(usize, usize); 3] = [(16 * 1024, 1), (64 * 1024, 16), (LARGEST, 128)];

struct Pattern {
    regex: Regex,
    cost: usize,
    global: bool,
    skip_empty: bool,
}

pub(super) fn natives() -> impl Iterator<Item = Fun<Machine>> {
    [
        run::<Machine>(("matches", v(2), |cv| bome(apply(cv, false, true)))),
        run::<Machine>(("split_matches", v(2), |cv| bome(apply(cv, true, true)))),
        run::<Machine>(("split_", v(2), |cv| bome(apply(cv, true, false)))),
    ]
    .into_iter()
}

fn text(value: &Value) -> Result<&str, Error<Value>> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(Error::typ(value.clone(), "string")),
    }
}

impl Pattern {
    fn compile(source: &str, flags: &str) -> Result<Self, Error<Value>> {
        let (mut global, mut skip_empty) = (false, false);
        let mut inline = String::new();
        for flag in flags.chars() {
            match flag {
                'g' => global = true,
                'n' => skip_empty = true,
                'i' | 'm' | 's' | 'x' => inline.push(flag),
                'l' => inline.push('U'),
                'p' => inline.push_str("ms"),
                _ => return Err(Error::str(format_args!("`{flag}` is no flag of a regular expression"))),
            }
        }
        let has = |flag| inline.contains(flag);
        for (size, cost) in COSTS {
            // Parsing and compiling take time in proportion to what comes out.
            budget::work(source.len() * 16 + size / 8);
            let built = RegexBuilder::new(source)
                .case_insensitive(has('i'))
                .multi_line(has('m'))
                .dot_matches_new_line(has('s'))
                .ignore_whitespace(has('x'))
                .swap_greed(has('U'))
                .nest_limit(50)
                .size_limit(size)
                .dfa_size_limit(LARGEST)
                .build();
            match built {
                Ok(regex) => return Ok(Self { regex, cost, global, skip_empty }),
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(error) => return Err(Error::str(format_args!("invalid regex: {error}"))),
            }
        }
        Err(Error::str(format_args!("the regular expression compiles to more than {LARGEST} bytes")))
    }
}

/// The matches, each with its groups, and, if `rest`, what stands between them.
fn apply(mut cv: Cv<'_, Machine>, rest: bool, matches: bool) -> Result<Value, Error<Value>> {
    let (flags, source) = (cv.0.pop_var(), cv.0.pop_var());
    let pattern = Pattern::compile(text(&source)?, text(&flags)?)?;
    let text = text(&cv.1)?;
    let charge = |from: usize| budget::work((text.len() - from).saturating_mul(pattern.cost));
    let (mut found, mut last) = (Vec::new(), 0);
    let (mut characters, mut counted) = (0, 0);
    charge(0);
    for captures in pattern.regex.captures_iter(text) {
        let Some(whole) = captures.get(0) else { continue };
        // Each match is searched for from where the last one ended, perhaps to the end of the text.
        charge(whole.end());
        if pattern.skip_empty && whole.is_empty() {
            continue;
        }
        if rest {
            found.push(Value::text(&text[last..whole.start()]));
            last = whole.end();
        }
        if matches {
            characters += text[counted..whole.start()].chars().count();
            counted = whole.start();
            let mut groups = Vec::new();
            for (name, group) in pattern.regex.capture_names().zip(captures.iter()) {
                let Some(group) = group else { continue };
                let offset = match group.start().checked_sub(counted) {
                    Some(_) => characters + text[counted..group.start()].chars().count(),
                    None => text[..group.start()].chars().count(),
                };
                budget::work(group.end() - counted.min(group.start()));
                let mut fields = vec![
                    (Value::text("offset"), Value::from(offset)),
                    (Value::text("length"), Value::from(group.as_str().chars().count())),
                    (Value::text("string"), Value::text(group.as_str())),
                ];
                fields.extend(name.map(|name| (Value::text("name"), Value::text(name))));
                groups.push(Value::from_map(fields)?);
            }
            found.push(Value::list(groups));
        }
        if !pattern.global {
            break;
        }
    }
    if rest {
        found.push(Value::text(&text[last..]));
    }
    Ok(Value::list(found))
}
