//! Compiling a component in a process of its own, so that it can be bounded and costs nobody else anything.
//!
//! A compiler cannot be stopped from outside, and a small file can be made to need hours or all memory. So the daemon starts
//! its own program again, which compiles one component after the other within the bounds that it set to itself. It has nothing of the
//! daemon's but what both share, no other file is open in it, and its environment is empty. It gives way to whatever else wants
//! the processor, and if memory runs out it is the one that ends.
//!
//! | module | what it does |
//! |---|---|
//! | here | the program that compiles |
//! | `processes` | the daemon's side: the processes, and why one ended |
//! | `exchange` | what both share: a socket and a file in memory |
//! | `known` | what a process remembers of what it compiled |
//! | `turns` | letting others run |

mod exchange;
mod known;
mod processes;
mod turns;

pub(crate) use processes::{KEPT, Processes};
pub(crate) use turns::{let_others_run, parts};

use crate::engine::{Memory, compiling};
use exchange::Exchange;
use known::Known;
use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use turns::Turns;

/// How far compiling and loading give way to others: the kernel gives them a thirtieth of what a thread that delivers gets of the
/// same processor (<https://man7.org/linux/man-pages/man7/sched.7.html>, "The nice value"). Less would starve them on a machine
/// that is busy all day, and whoever adds a component waits for it. `SCHED_IDLE` does worse than that: the kernel takes a
/// processor that runs nothing else for an idle one and starts there what wakes, although another is really idle.
const NICENESS: i32 = 15;
/// How much memory a process may have that stays for the next component: 128 MiB, three times what a provider in Rust takes.
const KEPT_KIB: u64 = 128 << 10;

/// The program that compiles: it calls [`main`] with the arguments that follow these.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// Where it is.
    pub program: PathBuf,
    /// What its command line begins with.
    pub arguments: Vec<OsString>,
}

/// How many threads compile: one fewer than there are processors, but one at least. The kernel starts what wakes on a processor that
/// nothing runs on, if there is one; where compiling is on all of them, a delivery waits now and then until the kernel's next
/// tick, milliseconds, however low the priority of compiling is.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| (processors.get() - 1).max(1))
}

/// What the program of a [`Compiler`] does; `arguments` are those that follow the compiler's own. To be called before any
/// thread is started.
pub fn main(arguments: &[String]) -> ExitCode {
    match work(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work(arguments: &[String]) -> anyhow::Result<()> {
    let [memory, seconds, bytes] = arguments else { anyhow::bail!("three arguments are needed") };
    let memory = if memory == "pool" { Memory::Pool } else { Memory::OnDemand };
    let seconds = seconds.parse()?;
    confine(bytes.parse()?)?;
    allow(seconds)?;
    let failed = |error: wasmtime::Error| anyhow::anyhow!("{error:#}");
    let mut config = compiling(memory);
    // With one thread that compiles, it is the one that takes turns.
    config.parallel_compilation(threads() > 1);
    config.enable_incremental_compilation(Arc::<Known>::default()).map_err(failed)?;
    let engine = wasmtime::Engine::new(&config).map_err(failed)?;
    let mut exchange = Exchange::inherited()?;
    for component in components(exchange.another()?)? {
        allow(seconds)?;
        let turns = Turns::begin()?;
        let answer = engine.precompile_component(&component).map_err(|error| format!("{error:#}"));
        exchange.answer(answer.as_deref().map_err(String::as_str))?;
        drop((turns, component, answer));
        if resident_kib()? > KEPT_KIB {
            break;
        }
    }
    Ok(())
}

/// The components that come in. When no more can come, because the daemon is gone say, the process ends at once, whatever it does.
fn components(mut exchange: Exchange) -> io::Result<mpsc::Receiver<Vec<u8>>> {
    let (sender, components) = mpsc::channel();
    let read = move || {
        while let Ok(component) = exchange.request() {
            // Whoever compiles ends the process when it wants no more.
            let _ = sender.send(component);
        }
        std::process::exit(0);
    };
    std::thread::Builder::new().name("components".into()).spawn(read)?;
    Ok(components)
}

/// Sets this process's bounds.
fn confine(bytes: u64) -> io::Result<()> {
    for (resource, most) in [(Resource::Data, bytes), (Resource::Core, 0)] {
        let most = getrlimit(resource).maximum.map_or(most, |already| already.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    give_way();
    // Where that is not allowed, the system chooses as it likes.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}

/// Gives the process so many seconds of processor time from now on, or up to one more, since the system counts whole ones. It is told
/// when they are over, which ends it.
fn allow(seconds: u64) -> io::Result<()> {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let begun = u64::try_from(used.tv_sec).unwrap_or_default() + u64::from(used.tv_sec > 0);
    let maximum = getrlimit(Resource::Cpu).maximum;
    let current = maximum.map_or(begun + seconds, |most| most.min(begun + seconds));
    Ok(setrlimit(Resource::Cpu, Rlimit { current: Some(current), maximum })?)
}

/// How much memory this process has.
fn resident_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(number.ok_or_else(|| anyhow::anyhow!("/proc/self/status has no VmRSS"))?.parse()?)
}

/// Lowers the priority of this thread, and of those that it starts: that is what Linux makes of the process 0 (setpriority(2),
/// "C library/kernel differences").
pub(crate) fn give_way() {
    // Refused only where the priority is lower already and would rise: then it stays as it is.
    let _ = setpriority_process(None, NICENESS);
}
