//! jq programs: transforms, filters and entity keys, compiled when they are defined and bounded when they run.
//!
//! What is bounded, and how:
//! - **Time**: each evaluation of a term takes one of [`budget::MOST_STEPS`]; each operation on values is charged, before
//!   it is done, to [`budget::MOST_WORK`] in proportion to what it looks at. So no program runs for ever, and none can
//!   catch the error, for running out unwinds out of the interpreter.
//! - **Memory**: what values take is charged to [`budget::MOST_ALLOCATED`] before it is allocated and never given back,
//!   so `"x" * 1e9` allocates nothing. What the interpreter itself keeps is bounded by the steps.
//! - **Stack**: each evaluation looks at how much of its stack is in use. What nests while it runs (closures, paths) may
//!   be taken apart recursively at the end, so a run that is not small gets a thread with a stack for the worst case.
//! - **Output**: [`LARGEST_OUTPUT`], nested at most [`budget::DEEPEST`] levels.
//!
//! A program sees its input and nothing else: no environment, files, further inputs, clock or randomness.

mod access;
pub mod budget;
mod functions;
mod operations;
mod pattern;
mod place;
mod typed;
mod value;

pub use typed::{EntityKey, Filter, LONGEST_ENTITY_KEY, Transform, event_input};

use budget::{Budget, Exhausted, Stopped};
use jaq_core::data::{DataT, HasLut};
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Lut, Vars};
use std::fmt;
use std::thread;
use value::Value;

/// The largest program: 16 KiB.
pub const LARGEST_SOURCE: usize = 16 * 1024;

/// The largest output, in bytes of JSON: 256 KiB.
pub const LARGEST_OUTPUT: usize = 256 * 1024;

/// What a small run gets, on the caller's stack. Most filters take a tenth of it.
const SMALL: Budget = Budget { steps: 200, work: 200_000, allocated: 1 << 20, stack: 128 << 10 };

/// What every run gets, on a stack of its own.
const FULL: Budget =
    Budget { steps: budget::MOST_STEPS, work: budget::MOST_WORK, allocated: budget::MOST_ALLOCATED, stack: 16 << 20 };

/// For compiling: the parser's recursion is bounded by the length of the source.
const COMPILING: Budget = Budget { steps: 0, work: 0, allocated: 0, stack: 0 };

/// The stack of a full run: what evaluation may take, and room for what is taken apart afterwards (35 MB at the worst that
/// was measured, unoptimised). Only what is touched takes memory.
const RUNNING_STACK: usize = 128 << 20;

/// The stack for compiling: 16 KiB of `-` take 160 MB of it, unoptimised.
const COMPILING_STACK: usize = 512 << 20;

/// What a program is for; its errors say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From payload to payload, when an event is emitted.
    Transform,
    /// Whether a subscription wants an event.
    Filter,
    /// Which entity an event is about.
    EntityKey,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transform => "transform",
            Self::Filter => "filter",
            Self::EntityKey => "entity key",
        })
    }
}

/// Why a program does not compile, or does not yield what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", .place.map(|(line, column)| format!(" (line {line}, column {column})")).unwrap_or_default())]
pub struct ProgramError {
    /// What is wrong.
    pub message: String,
    /// Where in the source, if that is known: line and column, from 1.
    pub place: Option<(usize, usize)>,
}

impl ProgramError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None }
    }
}

/// A program that compiled.
pub struct Program {
    kind: Kind,
    source: Box<str>,
    compiled: jaq_core::Filter<Machine>,
}

/// What jaq needs to know: the type of values, and that evaluating a term is counted.
pub(crate) struct Machine;

impl DataT for Machine {
    type V<'a> = Value;
    type Data<'a> = Counted<'a>;
}

#[derive(Clone, Copy)]
pub(crate) struct Counted<'a>(&'a Lut<Machine>);

impl<'a> HasLut<'a, Machine> for Counted<'a> {
    fn lut(&self) -> &'a Lut<Machine> {
        budget::step();
        self.0
    }
}

impl Program {
    /// Compiles a program.
    ///
    /// # Errors
    /// It is larger than [`LARGEST_SOURCE`], its syntax is wrong, or it names what is not there, with the place.
    pub fn compile(source: &str, kind: Kind) -> Result<Self, ProgramError> {
        let named = |error: ProgramError| ProgramError { message: format!("{kind}: {}", error.message), ..error };
        if source.len() > LARGEST_SOURCE {
            let size = source.len();
            return Err(named(ProgramError::new(format!("{size} bytes; at most {LARGEST_SOURCE} are allowed"))));
        }
        let compiled = on_own_stack(COMPILING_STACK, COMPILING, || compile(source)).and_then(|result| result).map_err(named)?;
        Ok(Self { kind, source: source.into(), compiled })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Runs it on a value. It must yield exactly one.
    ///
    /// # Errors
    /// It fails, yields none or several values, or hits a bound.
    pub fn run(&self, input: &serde_json::Value) -> Result<serde_json::Value, ProgramError> {
        let small = if is_small(input, &mut 1000) {
            budget::within(SMALL, || self.evaluate(input))
        } else {
            Err(Stopped::Exhausted(Exhausted::Work))
        };
        let result = match small {
            Ok(result) => result,
            // It has no effects, so it can start again.
            Err(Stopped::Exhausted(_)) => on_own_stack(RUNNING_STACK, FULL, || self.evaluate(input)).and_then(|result| result),
            Err(Stopped::Panicked) => Err(panicked()),
        };
        result.map_err(|error| ProgramError { message: format!("{}: {}", self.kind, error.message), ..error })
    }

    fn evaluate(&self, input: &serde_json::Value) -> Result<serde_json::Value, ProgramError> {
        let context = Ctx::<Machine>::new(Counted(&self.compiled.lut), Vars::new([]));
        let mut outputs = self.compiled.id.run((context, Value::from_json(input)));
        let Some(output) = outputs.next() else {
            return Err(ProgramError::new("it yields nothing; exactly one value is needed"));
        };
        let output = output.map_err(failed)?.to_json(&mut LARGEST_OUTPUT.clone());
        match outputs.next() {
            None => Ok(output),
            Some(Ok(_)) => Err(ProgramError::new("it yields several values; exactly one is needed")),
            Some(Err(error)) => Err(failed(error)),
        }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.kind).field(&self.source).finish()
    }
}

fn compile(source: &str) -> Result<jaq_core::Filter<Machine>, ProgramError> {
    let arena = Arena::default();
    let (definitions, natives) = functions::needed(source);
    let file = File { code: source, path: () };
    let modules = Loader::new(definitions).load(&arena, file).map_err(|errors| place::of_loading(source, &errors))?;
    jaq_core::load::import(&modules, |_| Err("modules are not available".into()))
        .map_err(|errors| place::of_loading(source, &errors))?;
    Compiler::default().with_funs(natives).compile(modules).map_err(|errors| place::of_compiling(source, &errors))
}

/// What a program's own failure says, cut where it repeats a large value.
fn failed(error: jaq_core::Exn<'_, Value>) -> ProgramError {
    match error.get_err() {
        Ok(error) => {
            let text = match error.into_val() {
                Value::Text(text) => text.to_string(),
                value => value.to_string(),
            };
            let cut = text.char_indices().nth(300).map_or(text.len(), |(byte, _)| byte);
            ProgramError::new(format!("{}{}", &text[..cut], if cut < text.len() { "…" } else { "" }))
        }
        Err(_) => ProgramError::new("it leaves by `break` where no label is"),
    }
}

fn panicked() -> ProgramError {
    ProgramError::new("the interpreter failed on it; that is a defect of the interpreter")
}

/// Whether a value has at most so many parts and kilobytes.
fn is_small(value: &serde_json::Value, left: &mut usize) -> bool {
    let cost = match value {
        serde_json::Value::String(text) => 1 + text.len() / 64,
        _ => 1,
    };
    let Some(rest) = left.checked_sub(cost) else { return false };
    *left = rest;
    match value {
        serde_json::Value::Array(items) => items.iter().all(|item| is_small(item, left)),
        serde_json::Value::Object(map) => map.values().all(|item| is_small(item, left)),
        _ => true,
    }
}

fn on_own_stack<T: Send>(stack: usize, budget: Budget, compute: impl FnOnce() -> T + Send) -> Result<T, ProgramError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("jq".into()).stack_size(stack);
        let started = thread.spawn_scoped(scope, || budget::within(budget, compute));
        let started = started.map_err(|error| ProgramError::new(format!("no thread could be started for it: {error}")))?;
        match started.join() {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Stopped::Exhausted(exhausted))) => Err(exhausted.describe()),
            Ok(Err(Stopped::Panicked)) | Err(_) => Err(panicked()),
        }
    })
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
