//! The daemon's side: the processes that compile.
//!
//! One that is done stays for a while and compiles the next component. A process that begins costs deliveries more than one that goes
//! on: with two processors at work, the kernel lets others wait for milliseconds when it comes and goes, however low its
//! priority is. Beside a new one every 0.3 s the p99 of deliveries was 2.4 times what it is without, beside a lasting one 1.25 times.

use super::exchange::Exchange;
use super::{Compiler, threads};
use crate::LoadError;
use crate::component::limit;
use crate::engine::Memory;
use crate::limits::Limits;
use std::io::{self, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a process stays that has nothing to do: 30 seconds.
pub(crate) const KEPT: Duration = Duration::from_secs(30);
/// The signal that ends a process whose processor time is used up: SIGXCPU of POSIX.
const OUT_OF_TIME: i32 = 24;
/// The signal by which a program ends itself, when it gets no memory among other things: SIGABRT of POSIX.
const ABORTED: i32 = 6;
/// How much of what the compiler complains is read.
const COMPLAINT_BYTES: u64 = 4096;

/// Those that compile for this daemon.
pub(crate) struct Processes {
    compiler: Compiler,
    memory: Memory,
    limits: Arc<Limits>,
    /// Those that have nothing to do, and since when; the last is the one that worked last.
    idle: Mutex<Vec<(Process, Instant)>>,
}

impl Processes {
    pub(crate) fn new(compiler: Compiler, memory: Memory, limits: Arc<Limits>) -> Self {
        Self { compiler, memory, limits, idle: Mutex::default() }
    }

    /// Has a component compiled, and waits for it.
    pub(crate) fn compile(&self, bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
        let kept = self.idle().pop();
        // It has less memory left than a new one, or has ended meanwhile. So what ends it says nothing about this component.
        if let Some((mut process, _)) = kept
            && let Ok(answer) = process.compile(bytes, &self.limits)
        {
            self.idle().push((process, Instant::now()));
            return answer;
        }
        let started = Process::start(&self.compiler, self.memory, &self.limits);
        let mut process = started.map_err(|error| LoadError::Host(format!("the compiler cannot be run: {error}")))?;
        match process.compile(bytes, &self.limits) {
            Ok(answer) => {
                self.idle().push((process, Instant::now()));
                answer
            }
            Err(error) => Err(process.why_ended(&error, &self.limits)),
        }
    }

    /// Ends those that had nothing to do for [`KEPT`].
    pub(crate) fn end_idle(&self) {
        let now = Instant::now();
        let ended: Vec<_> = self.idle().extract_if(.., |(_, since)| now.duration_since(*since) >= KEPT).collect();
        drop(ended);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Process, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process, which ends with its value.
struct Process {
    child: Child,
    exchange: Exchange,
    /// Reads what it complains, so that it is never held up, and ends with it.
    complaint: Option<JoinHandle<Vec<u8>>>,
}

impl Process {
    fn start(compiler: &Compiler, memory: Memory, limits: &Limits) -> io::Result<Self> {
        let memory = match memory {
            Memory::Pool => "pool",
            Memory::OnDemand => "on-demand",
        };
        let (exchange, stdin, stdout) = Exchange::new()?;
        let mut child = Command::new(&compiler.program)
            .args(&compiler.arguments)
            .args([memory, &limits.compile_seconds.to_string(), &limits.compile_memory_bytes.to_string()])
            .env_clear()
            // Its allocator would otherwise take a gigabyte at once, which would count in full.
            .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
            .env("RAYON_NUM_THREADS", threads().to_string())
            .stdin(stdin)
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stderr = child.stderr.take().ok_or_else(|| io::Error::other("it has no standard error"))?;
        let listen = move || {
            let mut complaint = Vec::new();
            let _ = stderr.by_ref().take(COMPLAINT_BYTES).read_to_end(&mut complaint);
            let _ = io::copy(&mut stderr, &mut io::sink());
            complaint
        };
        let complaint = std::thread::Builder::new().name("compiler".into()).spawn(listen)?;
        Ok(Self { child, exchange, complaint: Some(complaint) })
    }

    /// What it answers.
    ///
    /// # Errors
    /// There is no answer, and the process is of no use any more.
    fn compile(&mut self, bytes: &[u8], limits: &Limits) -> io::Result<Result<Vec<u8>, LoadError>> {
        let answer = self.exchange.ask(bytes, limits.compile_memory_bytes as u64)?;
        Ok(answer.map_err(LoadError::Compile))
    }

    /// Why there was no answer.
    fn why_ended(mut self, error: &io::Error, limits: &Limits) -> LoadError {
        // If it goes on nevertheless.
        let _ = self.child.kill();
        let status = match self.child.wait() {
            Ok(status) => status,
            Err(error) => return LoadError::Host(format!("the compiler cannot be waited for: {error}")),
        };
        let complaint = self.complaint.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let complaint = String::from_utf8_lossy(&complaint);
        judge(status, complaint.trim_end(), error, limits)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Why there is no machine code.
fn judge(status: ExitStatus, complaint: &str, error: &io::Error, limits: &Limits) -> LoadError {
    match status.signal() {
        Some(OUT_OF_TIME) => limit("processor time to compile it", "compile-seconds", limits),
        Some(ABORTED) if complaint.contains("memory allocation of") => {
            limit("memory to compile it", "compile-memory-bytes", limits)
        }
        _ => LoadError::Compile(format!("the compiler ended with {status} ({error}): {complaint}")),
    }
}
