//! What jaq's errors say, and where.

use super::ProgramError;
use jaq_core::compile::Undefined;
use jaq_core::load;

pub(super) fn of_loading(source: &str, errors: &load::Errors<&str, ()>) -> ProgramError {
    let Some((_, error)) = errors.first() else { return ProgramError::new("it cannot be read") };
    match error {
        load::Error::Io(errors) => match errors.first() {
            Some((part, message)) => at(source, part, message.clone()),
            None => ProgramError::new("modules are not available"),
        },
        load::Error::Lex(errors) => match errors.first() {
            Some((expected, found)) => at(source, found, expectation(expected.as_str(), found)),
            None => ProgramError::new("its syntax is wrong"),
        },
        load::Error::Parse(errors) => match errors.first() {
            Some((expected, found)) => at(source, found, expectation(expected.as_str(), found)),
            None => ProgramError::new("its syntax is wrong"),
        },
    }
}

pub(super) fn of_compiling(source: &str, errors: &jaq_core::compile::Errors<&str, ()>) -> ProgramError {
    match errors.first().and_then(|(_, errors)| errors.first()) {
        Some((name, Undefined::Filter(arity))) => at(source, name, format!("there is no function `{name}/{arity}`")),
        Some((name, what)) => at(source, name, format!("there is no {} `{name}`", what.as_str())),
        None => ProgramError::new("it does not compile"),
    }
}

fn expectation(expected: &str, found: &str) -> String {
    let cut = found.char_indices().nth(20).map_or(found.len(), |(byte, _)| byte);
    match &found[..cut] {
        "" => format!("expected {expected}, but it ends"),
        found => format!("expected {expected}, found `{}`", found.escape_debug()),
    }
}

/// `part` is a slice of `source`, unless the fault lies in a definition of ours.
fn at(source: &str, part: &str, message: String) -> ProgramError {
    let start = (part.as_ptr() as usize).wrapping_sub(source.as_ptr() as usize);
    let place = source.get(..start).map(|before| {
        let line = before.rsplit('\n').next().unwrap_or_default();
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    });
    ProgramError { message, place }
}
