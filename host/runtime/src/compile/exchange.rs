//! What the daemon and a process that compiles for it share: a socket, and a file in memory that what they say lies in.
//!
//! Not two pipes: through those, megabytes go piece by piece, and both sides work at once. Both give way to deliveries, but where each
//! of two processors has somebody to run, the kernel lets whatever wakes up wait for its next tick, 4 ms. So one writes all of it,
//! and only then is the other woken.

use super::turns::{PART, let_others_run, parts};
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;

/// What an answer begins with: machine code follows, or why there is none.
const CODE: u8 = 0;
const COMPLAINT: u8 = 1;

/// Machine code, or why there is none.
pub(super) type Answer = Result<Vec<u8>, String>;

/// One end of it.
pub(super) struct Exchange {
    socket: UnixStream,
    memory: File,
}

impl Exchange {
    /// A new one: the daemon's end, and what the process gets as its standard input and output.
    pub(super) fn new() -> io::Result<(Self, OwnedFd, OwnedFd)> {
        let (socket, theirs) = UnixStream::pair()?;
        let memory = File::from(memfd_create("postern-compile", MemfdFlags::CLOEXEC)?);
        let shared = memory.try_clone()?;
        Ok((Self { socket, memory }, theirs.into(), shared.into()))
    }

    /// That of a process which was started with one.
    pub(super) fn inherited() -> io::Result<Self> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?.into();
        let memory = io::stdout().as_fd().try_clone_to_owned()?.into();
        Ok(Self { socket, memory })
    }

    /// The same end once more, for another thread.
    pub(super) fn another(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, memory: self.memory.try_clone()? })
    }

    /// Asks for the machine code of a component, and waits for the answer, of at most so many bytes.
    ///
    /// # Errors
    /// The other end is gone, or answers with what cannot be.
    pub(super) fn ask(&mut self, component: &[u8], most: u64) -> io::Result<Answer> {
        self.write(component)?;
        self.socket.write_all(&(component.len() as u64).to_le_bytes())?;
        let mut kind = [0];
        self.socket.read_exact(&mut kind)?;
        let answer = self.content(most)?;
        // What it took is free again.
        self.memory.set_len(0)?;
        Ok(if kind == [CODE] { Ok(answer) } else { Err(String::from_utf8_lossy(&answer).into_owned()) })
    }

    /// Waits for a component.
    pub(super) fn request(&mut self) -> io::Result<Vec<u8>> {
        self.content(u64::MAX)
    }

    /// Answers with machine code, or why there is none.
    pub(super) fn answer(&mut self, answer: Result<&[u8], &str>) -> io::Result<()> {
        let (kind, content) = match answer {
            Ok(code) => (CODE, code),
            Err(complaint) => (COMPLAINT, complaint.as_bytes()),
        };
        self.write(content)?;
        let mut told = [kind; 9];
        told[1..].copy_from_slice(&(content.len() as u64).to_le_bytes());
        self.socket.write_all(&told)
    }

    fn content(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let mut length = [0; 8];
        self.socket.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > most.min(self.memory.metadata()?.len()) {
            return Err(io::Error::other(format!("{length} bytes are announced, which cannot be")));
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        let mut place = 0;
        for part in bytes.chunks_mut(PART) {
            let_others_run();
            self.memory.read_exact_at(part, place)?;
            place += part.len() as u64;
        }
        Ok(bytes)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut place = 0;
        parts(bytes).try_for_each(|part| {
            self.memory.write_all_at(part, place)?;
            place += part.len() as u64;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> (Exchange, Exchange) {
        let (one, socket, memory) = Exchange::new().unwrap();
        (one, Exchange { socket: socket.into(), memory: memory.into() })
    }

    #[test]
    fn what_is_asked_and_answered_arrives_one_after_the_other() {
        let (mut daemon, mut process) = both();
        let compiler = std::thread::spawn(move || {
            for expected in [&[7; 300_000][..], b"short"] {
                assert_eq!(process.request().unwrap(), expected);
                process.answer(Ok(&[9; 1_000_000])).unwrap();
            }
            process.request().unwrap();
            process.answer(Err("no component")).unwrap();
        });
        for component in [&[7; 300_000][..], b"short"] {
            assert_eq!(daemon.ask(component, u64::MAX).unwrap(), Ok(vec![9; 1_000_000]));
        }
        assert_eq!(daemon.ask(b"", u64::MAX).unwrap(), Err("no component".to_owned()));
        compiler.join().unwrap();
        assert!(daemon.ask(b"", u64::MAX).is_err(), "nobody is there any more");
    }

    #[test]
    fn an_answer_that_is_longer_than_it_may_be_or_than_what_is_there_is_refused() {
        for (announced, most) in [(11_u64, 10), (2 << 30, u64::MAX)] {
            let (mut daemon, mut process) = both();
            process.answer(Ok(&[0; 11])).unwrap();
            process.memory.set_len(11).unwrap();
            daemon.socket.read_exact(&mut [0; 9]).unwrap();
            process.socket.write_all(&announced.to_le_bytes()).unwrap();
            assert!(daemon.content(most).is_err(), "{announced} of {most}");
        }
    }
}
