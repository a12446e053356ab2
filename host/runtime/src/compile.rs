//! Compiling in the background: with all processors, but behind whatever else wants them.
//!
//! A component of 17 MB takes some 8 seconds of all processors and 400 MB. Deliveries must notice neither, so its threads
//! yield to others, and only so many bytes of components are compiled at the same time.

use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};

/// How far the threads step back: the kernel gives them about a tenth of what a thread of the daemon gets that wants the same
/// processor (<https://man7.org/linux/man-pages/man7/sched.7.html>, "The nice value"). More would starve them on a machine that
/// is busy all day, and whoever adds a component waits for it.
const NICE: i32 = 10;

/// Runs the work of compiling. It ends with the process, not with the work.
pub(crate) struct Compiler {
    pool: rayon::ThreadPool,
    /// A permit for each KiB that is compiled at once.
    room: Arc<Semaphore>,
    kibibytes: u32,
}

impl Compiler {
    /// One that compiles components of at most so many bytes at once; a single one may have as many.
    pub(crate) fn new(bytes: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .thread_name(|index| format!("compile-{index}"))
            .start_handler(|_| step_back())
            // Whoever waits for the work learns of it.
            .panic_handler(|_| tracing::error!("compiling a component panicked"))
            .build()?;
        let kibibytes = kibibytes(bytes);
        Ok(Self { pool, room: Arc::new(Semaphore::new(kibibytes as usize)), kibibytes })
    }

    /// Does the work of compiling so many bytes, as soon as there is room. None: it panicked.
    pub(crate) async fn run<T: Send + 'static>(&self, bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let permits = kibibytes(bytes).min(self.kibibytes);
        let room = self.room.clone().acquire_many_owned(permits).await.ok()?;
        let (sender, receiver) = oneshot::channel();
        self.pool.spawn(move || {
            let result = work();
            drop(room);
            // Nobody may wait any more.
            let _ = sender.send(result);
        });
        receiver.await.ok()
    }
}

fn kibibytes(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, 1 << 28)
}

/// Linux keeps a priority for each thread, and "this process" means the calling one.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::warn!(%error, "compiling cannot step back behind deliveries");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_small_component_does_not_wait_for_a_large_one_but_another_large_one_does() {
        let compiler = Arc::new(Compiler::new(32 << 20).unwrap());
        let (release, held) = std::sync::mpsc::channel::<()>();
        let run = |bytes: usize, work: Box<dyn FnOnce() -> usize + Send>| {
            let compiler = compiler.clone();
            tokio::spawn(async move { compiler.run(bytes, work).await })
        };
        let large = run(17 << 20, Box::new(move || held.recv().map_or(0, |()| 1)));
        while compiler.room.available_permits() == 32 << 10 {
            tokio::task::yield_now().await;
        }
        let small = compiler.room.clone().try_acquire_many_owned(kibibytes(100_000)).expect("room for a small one");
        assert!(compiler.room.clone().try_acquire_many_owned(kibibytes(17 << 20)).is_err());
        drop(small);
        let second = run(40 << 20, Box::new(|| 2));
        release.send(()).unwrap();
        assert_eq!((large.await.unwrap(), second.await.unwrap()), (Some(1), Some(2)));
    }

    #[tokio::test]
    async fn a_panic_is_told_and_leaves_room() {
        let compiler = Compiler::new(1 << 20).unwrap();
        assert_eq!(compiler.run::<()>(1 << 20, || panic!("on purpose")).await, None);
        assert_eq!(compiler.run(1 << 20, || 1).await, Some(1));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn its_threads_step_back_and_no_other() {
        let before = rustix::process::getpriority_process(None).unwrap();
        let compiler = Compiler::new(1 << 20).unwrap();
        let inside = compiler.run(1, || rustix::process::getpriority_process(None).unwrap()).await;
        assert_eq!(inside, Some(NICE.max(before)));
        assert_eq!(rustix::process::getpriority_process(None).unwrap(), before);
    }
}
