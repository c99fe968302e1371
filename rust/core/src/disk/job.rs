//! One transfer: memory, where in the file, how far it has come, and the rules of going on after a short one.

use crate::buffer::Output;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// Linux moves no more than this in one call.
const MOST: usize = 0x7fff_f000;

/// Bytes lent for writing.
///
/// # Safety
/// `bytes` gives the same memory each time, which is not written to and stays where it is until the value is dropped,
/// also when the value itself is moved: the kernel reads from it.
#[allow(unsafe_code)] // the promise is asked for here; nothing unsafe is done
pub unsafe trait Loan: Send {
    /// The memory.
    fn bytes(&self) -> &[u8];
}

/// What a job moves.
pub(super) enum Cargo {
    /// Ours: read into, or written from.
    Own(Output),
    /// Somebody else's, to be written: the part from an offset on.
    Lent(Box<dyn Loan>, usize),
}

impl Cargo {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(output) => output.as_slice(),
            Self::Lent(loan, from) => loan.bytes().get(*from..).unwrap_or(&[]),
        }
    }
}

/// One transfer between memory and a file. Whoever runs it owns it, and so its memory, until it is done.
pub(super) struct Job {
    pub number: u64,
    pub cargo: Cargo,
    pub writes: bool,
    /// Where the first byte lies in the file.
    pub offset: u64,
    /// Bytes to move.
    pub wanted: usize,
    /// Bytes moved so far.
    pub moved: usize,
    /// What offsets and lengths must be multiples of: 1, or what I/O past the page cache wants.
    pub align: usize,
    /// The system's number of what went wrong.
    pub error: Option<i32>,
}

impl Job {
    /// A transfer to begin with; memory of ours is made the result whole, so that all of it can be reached.
    pub fn new(number: u64, mut cargo: Cargo, writes: bool, offset: u64, wanted: usize, align: usize) -> Self {
        if let Cargo::Own(output) = &mut cargo {
            output.set_len(usize::MAX);
        }
        Self { number, cargo, writes, offset, wanted, moved: 0, align, error: None }
    }

    /// What the next call should move: offset in the file, and range of the memory.
    ///
    /// After a short call it begins at the aligned position before the end: what lies between is moved once more.
    pub fn rest(&self) -> (u64, usize, usize) {
        let at = self.moved - self.moved % self.align;
        let end = self.wanted.next_multiple_of(self.align);
        (self.offset + at as u64, at, (end - at).min(MOST - MOST % self.align))
    }

    /// Memory to read into.
    pub fn space(&mut self, at: usize, len: usize) -> &mut [u8] {
        match &mut self.cargo {
            Cargo::Own(output) => output.as_mut_slice().get_mut(at..at.saturating_add(len)).unwrap_or(&mut []),
            Cargo::Lent(..) => &mut [],
        }
    }

    /// Memory to write from.
    pub fn bytes(&self, at: usize, len: usize) -> &[u8] {
        self.cargo.bytes().get(at..at.saturating_add(len)).unwrap_or(&[])
    }

    /// Address and length of memory for the kernel, which the job keeps in place.
    pub fn memory(&mut self, at: usize, len: usize) -> (*mut u8, usize) {
        match &self.cargo {
            Cargo::Own(_) => {
                let space = self.space(at, len);
                (space.as_mut_ptr(), space.len())
            }
            Cargo::Lent(..) => {
                let bytes = self.bytes(at, len);
                (bytes.as_ptr().cast_mut(), bytes.len())
            }
        }
    }

    /// Takes the result of a call that began at `at` in the memory. True if the job is done: all moved, at the end of
    /// the file, or failed.
    pub fn took(&mut self, at: usize, result: io::Result<usize>) -> bool {
        let count = match result {
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => return false,
            // The thread that asked the kernel has ended: that is not our end.
            Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => return false,
            Err(error) => {
                self.error = Some(error.raw_os_error().unwrap_or(libc::EIO));
                return true;
            }
        };
        let end = at + count;
        if end <= self.moved {
            // A file that takes nothing more, and does not say why.
            self.error = self.writes.then_some(libc::EIO);
            return true;
        }
        self.moved = end.min(self.wanted);
        self.moved == self.wanted
    }

    /// Marks it as withdrawn.
    pub fn withdraw(mut self) -> Self {
        self.error = Some(libc::ECANCELED);
        self
    }
}

/// Who runs jobs. Dropping one withdraws all and waits until nothing touches their memory any more.
pub(super) trait Carrier: Send {
    /// Takes a job; may run it at once.
    fn submit(&mut self, job: Job);

    /// A job that is done, in any order; `None` if none is within `time` (or until a signal), or there is none at all.
    fn wait(&mut self, time: Duration) -> Option<Job>;

    /// Jobs that were taken and not given back.
    fn in_flight(&self) -> usize;

    /// `uring` or `threads`.
    fn via(&self) -> &'static str;
}
