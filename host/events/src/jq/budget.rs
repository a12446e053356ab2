//! What a run of a program may use up. jaq itself has no bounds; they come from two places that every run passes
//! through: the look-up that precedes the evaluation of each term (`step`), and the operations of the value type
//! (`work`, `allocate`).
//!
//! A bound that is hit unwinds (without the panic hook, so nothing is printed) up to `within`. An error would not do:
//! `try` and `?` catch errors, and the program would go on.

use super::ProgramError;
use std::cell::Cell;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// How many terms a run may evaluate: 100,000. `.payload.severity == "critical"` takes about ten.
pub const MOST_STEPS: u64 = 100_000;

/// How much work the operations on values may do: 20 million units, about one per byte or element looked at.
pub const MOST_WORK: u64 = 20_000_000;

/// How many bytes a run may allocate for values, all told and whether still in use or not: 32 MiB.
pub const MOST_ALLOCATED: u64 = 32 << 20;

/// The deepest nesting of a value: 100 levels; JSON parsers commonly stop at 128.
pub const DEEPEST: u32 = 100;

/// What one operation on a value costs at least.
const OPERATION: u64 = 8;

/// The bounds of one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub(super) steps: u64,
    pub(super) work: u64,
    pub(super) allocated: u64,
    /// Bytes of stack that evaluation may take. What is dropped afterwards may need as much again and more.
    pub(super) stack: usize,
}

impl Budget {
    const NONE: Self = Self { steps: 0, work: 0, allocated: 0, stack: 0 };
}

/// Which bound was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exhausted {
    Steps,
    Work,
    Allocated,
    Stack,
    Depth,
    Output,
}

impl Exhausted {
    pub(super) fn describe(self) -> ProgramError {
        ProgramError::new(match self {
            Self::Steps => format!("it takes more than {MOST_STEPS} steps"),
            Self::Work => format!("it does more than {MOST_WORK} units of work on values"),
            Self::Allocated => format!("it needs more than {MOST_ALLOCATED} bytes of memory"),
            Self::Stack => "it calls itself too deeply".into(),
            Self::Depth => format!("it makes a value that is nested deeper than {DEEPEST} levels"),
            Self::Output => format!("it yields more than {} bytes", super::LARGEST_OUTPUT),
        })
    }
}

/// How a bounded computation ended other than with a result.
pub(super) enum Stopped {
    Exhausted(Exhausted),
    /// The library panicked.
    Panicked,
}

thread_local! {
    static LEFT: Cell<Budget> = const { Cell::new(Budget::NONE) };
    static BASE: Cell<usize> = const { Cell::new(0) };
}

/// Runs `compute` within a budget, on this thread's stack.
pub(super) fn within<T>(budget: Budget, compute: impl FnOnce() -> T) -> Result<T, Stopped> {
    let outer = (LEFT.replace(budget), BASE.replace(here()));
    let result = catch_unwind(AssertUnwindSafe(compute));
    LEFT.set(outer.0);
    BASE.set(outer.1);
    result.map_err(|cause| match cause.downcast_ref::<Exhausted>() {
        Some(exhausted) => Stopped::Exhausted(*exhausted),
        None => Stopped::Panicked,
    })
}

/// One term is evaluated.
pub(super) fn step() {
    let mut left = LEFT.get();
    if BASE.get().abs_diff(here()) > left.stack {
        stop(Exhausted::Stack);
    }
    left.steps = left.steps.checked_sub(1).unwrap_or_else(|| stop(Exhausted::Steps));
    LEFT.set(left);
}

/// An operation looks at `units` bytes or elements.
pub(super) fn work(units: usize) {
    let mut left = LEFT.get();
    let units = (units as u64).saturating_add(OPERATION);
    left.work = left.work.checked_sub(units).unwrap_or_else(|| stop(Exhausted::Work));
    LEFT.set(left);
}

/// An operation is about to allocate so many bytes.
pub(super) fn allocate(bytes: usize) {
    work(bytes / 16);
    let mut left = LEFT.get();
    left.allocated = left.allocated.checked_sub(bytes as u64).unwrap_or_else(|| stop(Exhausted::Allocated));
    LEFT.set(left);
}

/// A value of this depth is made.
pub(super) fn depth(depth: u32) -> u32 {
    if depth > DEEPEST {
        stop(Exhausted::Depth);
    }
    depth
}

/// Ends the computation that [`within`] began.
pub(super) fn stop(exhausted: Exhausted) -> ! {
    resume_unwind(Box::new(exhausted))
}

/// About where the stack is now.
#[inline(never)]
fn here() -> usize {
    let marker = 0_u8;
    std::ptr::from_ref(black_box(&marker)) as usize
}
