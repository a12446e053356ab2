//! Compiling a component in a process of its own, so that it can be bounded and costs nobody else anything.
//!
//! A compiler cannot be stopped from outside, and a small file can be made to need hours or all memory. So the daemon starts
//! its own program again, which reads the component from its standard input, compiles it within the bounds that it set to itself, and
//! writes machine code to its standard output. It has nothing of the daemon's but these two: no file is open in it and its
//! environment is empty. It gives way to whatever else wants the processor, and if memory runs out it is the one that ends.

use crate::engine::{Memory, compiling};
use crate::limits::Limits;
use crate::{LoadError, component::limit};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setpriority_process, setrlimit};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

/// How far compiling and loading give way to others: the kernel gives them a thirtieth of what a thread that delivers gets of the
/// same processor (<https://man7.org/linux/man-pages/man7/sched.7.html>, "The nice value"). Less would starve them on a machine
/// that is busy all day, and whoever adds a component waits for it. `SCHED_IDLE` does worse than that: the kernel takes a
/// processor that runs nothing else for an idle one and starts there what wakes, although another is really idle.
const NICENESS: i32 = 15;
/// The signal that ends a process whose processor time is used up: SIGXCPU of POSIX.
const OUT_OF_TIME: i32 = 24;
/// The signal by which a program ends itself, when it gets no memory among other things: SIGABRT of POSIX.
const ABORTED: i32 = 6;
/// How much of what the compiler complains is read.
const COMPLAINT_BYTES: u64 = 4096;

/// The program that compiles: it calls [`main`] with the arguments that follow these.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// Where it is.
    pub program: PathBuf,
    /// What its command line begins with.
    pub arguments: Vec<OsString>,
}

/// Has a component compiled, and waits for it.
pub(crate) fn apart(compiler: &Compiler, bytes: &[u8], memory: Memory, limits: &Limits) -> Result<Vec<u8>, LoadError> {
    let failed = |error: std::io::Error| LoadError::Host(format!("the compiler cannot be run: {error}"));
    let memory = match memory {
        Memory::Pool => "pool",
        Memory::OnDemand => "on-demand",
    };
    let mut child = Command::new(&compiler.program)
        .args(&compiler.arguments)
        .args([memory, &limits.compile_seconds.to_string(), &limits.compile_memory_bytes.to_string()])
        .env_clear()
        // Its allocator would otherwise take a gigabyte at once, which would count in full.
        .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
        .env("RAYON_NUM_THREADS", threads().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (code, complaint) = std::thread::scope(|scope| {
        // One that ends before it read everything says why otherwise.
        scope.spawn(|| stdin.map(|mut stdin| stdin.write_all(bytes)));
        let complaint = scope.spawn(|| stderr.map(|stderr| beginning(stderr, COMPLAINT_BYTES)));
        let code = stdout.map(|stdout| beginning(stdout, limits.compile_memory_bytes as u64));
        (code, complaint.join())
    });
    let status = child.wait().map_err(failed)?;
    if status.success() {
        return code.transpose().map_err(failed).map(Option::unwrap_or_default);
    }
    let complaint = complaint.ok().flatten().and_then(Result::ok).unwrap_or_default();
    Err(judge(status, &String::from_utf8_lossy(&complaint), limits))
}

/// How many threads compile: one fewer than there are processors, but one at least. The kernel starts what wakes on a processor that
/// nothing runs on, if there is one; where compiling is on all of them, a delivery waits now and then until the kernel's next
/// tick, milliseconds, however low the priority of compiling is.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| (processors.get() - 1).max(1))
}

/// So many bytes; the rest is read and forgotten, so that who writes it is not held up.
fn beginning(mut from: impl Read, most: u64) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    from.by_ref().take(most).read_to_end(&mut kept)?;
    std::io::copy(&mut from, &mut std::io::sink())?;
    Ok(kept)
}

/// Why there is no machine code.
fn judge(status: ExitStatus, complaint: &str, limits: &Limits) -> LoadError {
    match status.signal() {
        None if status.code() == Some(1) => LoadError::Compile(complaint.trim_end().to_owned()),
        Some(OUT_OF_TIME) => limit("processor time to compile it", "compile-seconds", limits),
        Some(ABORTED) if complaint.contains("memory allocation of") => {
            limit("memory to compile it", "compile-memory-bytes", limits)
        }
        _ => LoadError::Compile(format!("the compiler ended with {status}: {}", complaint.trim_end())),
    }
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
    confine(seconds.parse()?, bytes.parse()?)?;
    let mut component = Vec::new();
    std::io::stdin().read_to_end(&mut component)?;
    let code = wasmtime::Engine::new(&compiling(memory)).and_then(|engine| engine.precompile_component(&component));
    let code = code.map_err(|error| anyhow::anyhow!("{error:#}"))?;
    std::io::stdout().write_all(&code)?;
    Ok(())
}

/// Sets this process's bounds, which it cannot raise again.
fn confine(seconds: u64, bytes: u64) -> std::io::Result<()> {
    // At the second number the system would kill it, which says nothing; at the first it is told what for.
    for (resource, most, last) in [(Resource::Cpu, seconds, seconds + 1), (Resource::Data, bytes, bytes), (Resource::Core, 0, 0)]
    {
        let last = getrlimit(resource).maximum.map_or(last, |already| already.min(last));
        setrlimit(resource, Rlimit { current: Some(most.min(last)), maximum: Some(last) })?;
    }
    // Nobody waits for it when the daemon is gone.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    give_way();
    // Where that is not allowed, the system chooses as it likes.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}

/// Lowers the priority of this thread, and of those that it starts: that is what Linux makes of the process 0 (setpriority(2),
/// "C library/kernel differences").
pub(crate) fn give_way() {
    // Refused only where the priority is lower already and would rise: then it stays as it is.
    let _ = setpriority_process(None, NICENESS);
}
