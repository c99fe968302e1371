//! Writing behind: pieces are borrowed until they are written, a bounded number of bytes at a time.

use super::job::{Cargo, Carrier, Job, Loan};
use super::stop::Stop;
use super::target::{Access, Target};
use super::{CANCELLED, Look, Ours, Trouble, Via, carrier, withdrawn};
use crate::buffer::{Output, Pool};
use crate::copies::{self, Place};
use crate::ffi::descriptor::page_size;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Transfers in the kernel's hands at once. Buffered writes of one file exclude each other there anyway.
const DEPTH: usize = 16;
/// What is gathered before it is written past the page cache.
const BLOCK: usize = 1 << 20;

/// How a file is written.
#[derive(Debug, Clone, Copy)]
pub struct Writing {
    /// Bytes that may wait to be written; one piece always may.
    pub behind: usize,
    /// Where to begin; else where the descriptor stands.
    pub offset: Option<u64>,
    /// Past the page cache, where the file system can.
    pub direct: bool,
    pub via: Via,
}

/// What was written, to be dropped where that is welcome.
pub type Spent = Vec<Box<dyn Loan>>;

/// What is gathered for direct I/O: memory, and bytes in it.
#[derive(Default)]
struct Block {
    memory: Option<Output>,
    len: usize,
}

struct Inner {
    carrier: Box<dyn Carrier>,
    target: Arc<Target>,
    pool: Arc<Pool>,
    behind: usize,
    /// Where the next transfer begins, and its number.
    next: u64,
    number: u64,
    /// Bytes in flight.
    flying: usize,
    block: Block,
    /// The number of the transfer that writes a block which is not full, and is kept.
    tail: Option<u64>,
    /// Bytes of the block that are in the file already.
    tail_written: usize,
    spent: Spent,
    failed: Option<(i32, u64)>,
    moves: bool,
}

/// Writes a file, pipe or device. One writer at a time; `cancel` from any thread.
pub struct Writer {
    inner: Ours<Inner>,
    stop: Arc<Stop>,
    accepted: AtomicU64,
    direct: AtomicBool,
    via: &'static str,
}

impl Writer {
    /// Opens `fd` for writing; the descriptor remains the caller's.
    ///
    /// # Errors
    /// A descriptor that cannot be written, or has no offsets where one is asked for.
    pub fn new(pool: &Arc<Pool>, fd: RawFd, how: Writing) -> Result<Self, Trouble> {
        let begin = how.offset.unwrap_or(0);
        let open = |fd| -> io::Result<(Target, u64)> {
            let target = Target::open(fd, true)?;
            let at = match (target.access, how.offset) {
                (Access::Offsets, None) => target.stands()?,
                (Access::Offsets, Some(at)) => at,
                (_, None | Some(0)) => 0,
                (_, Some(_)) => return Err(io::Error::from_raw_os_error(libc::ESPIPE)),
            };
            Ok((target, at))
        };
        let (target, next) = open(fd).map_err(|error| Trouble::at(&error, begin))?;
        let target = Arc::new(target);
        if how.direct && next.is_multiple_of(page_size() as u64) {
            target.set_direct(true);
        }
        let prepare = || -> io::Result<_> {
            let stop = Stop::new()?;
            Ok((carrier(&target, &stop, how.via, DEPTH)?, stop))
        };
        let (carrier, stop) = prepare().map_err(|error| {
            target.restore();
            Trouble::at(&error, next)
        })?;
        let via = carrier.via();
        let direct = AtomicBool::new(target.is_direct());
        let moves = target.access == Access::Offsets && how.offset.is_none();
        let inner = Inner {
            carrier,
            target,
            pool: Arc::clone(pool),
            behind: how.behind,
            next,
            number: 0,
            flying: 0,
            block: Block::default(),
            tail: None,
            tail_written: 0,
            spent: Vec::new(),
            failed: None,
            moves,
        };
        Ok(Self { inner: Ours::new(inner), stop, accepted: AtomicU64::new(0), direct, via })
    }

    fn with<R>(&self, work: impl FnOnce(&mut Inner) -> Result<R, Trouble>) -> Result<R, Trouble> {
        self.inner.with(|inner| {
            let inner = inner.as_mut().filter(|_| !self.stop.is_stopped()).ok_or(CANCELLED)?;
            let done = work(inner);
            self.direct.store(inner.target.is_direct(), Ordering::Relaxed);
            // What was withdrawn meanwhile must not pass for written.
            if self.stop.is_stopped() { Err(CANCELLED.into()) } else { done }
        })
    }

    /// Takes a piece, behind all others, when no more than `behind` bytes are in flight; waits for that no longer than
    /// `time`, and then leaves the piece where it is. Gives what was written and is not needed any more.
    ///
    /// # Errors
    /// What earlier writes met.
    pub fn write(&self, piece: &mut Option<Box<dyn Loan>>, time: Duration) -> Result<Look<Spent>, Trouble> {
        self.with(|inner| {
            let nbytes = piece.as_ref().map_or(0, |loan| loan.bytes().len());
            inner.harvest(Duration::ZERO)?;
            while inner.flying > 0 && (inner.failed.is_some() || inner.flying.saturating_add(nbytes) > inner.behind) {
                if !inner.harvest(time)? {
                    return Ok(Look::Later);
                }
            }
            if let Some(loan) = piece.take() {
                inner.push(loan)?;
                self.accepted.fetch_add(nbytes as u64, Ordering::Relaxed);
                inner.harvest(Duration::ZERO)?;
            }
            Ok(Look::Is(std::mem::take(&mut inner.spent)))
        })
    }

    /// Waits, no longer than `time`, until all is written that was taken.
    ///
    /// # Errors
    /// What the writes met.
    pub fn flush(&self, time: Duration) -> Result<Look<Spent>, Trouble> {
        self.with(|inner| match inner.flush(time)? {
            Look::Later => Ok(Look::Later),
            Look::Is(()) => Ok(Look::Is(std::mem::take(&mut inner.spent))),
        })
    }

    /// Ends a waiting call, and every later one, with an error. What was not written by then may never be.
    pub fn cancel(&self) {
        self.stop.stop();
    }

    /// Withdraws what is in flight and lets go of the file; [`Look::Later`] if the kernel does not within `time`.
    pub fn close(&self, time: Duration) -> Result<Look<()>, Trouble> {
        self.stop.stop();
        self.inner.with(|slot| {
            let Some(inner) = slot else { return Ok(Look::Is(())) };
            if let Look::Later = withdrawn(&mut *inner.carrier, &inner.target, time) {
                return Ok(Look::Later);
            }
            *slot = None;
            Ok(Look::Is(()))
        })
    }

    /// Bytes taken.
    pub fn position(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Who carries: `uring` or `threads`.
    pub fn via(&self) -> &'static str {
        self.via
    }

    /// Whether the page cache is passed by.
    pub fn is_direct(&self) -> bool {
        self.direct.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        while let Ok(Look::Later) = self.close(Duration::from_secs(1)) {}
    }
}

impl Inner {
    /// Tells a failure when none at an earlier offset can come any more: with several writes in flight the disk may be
    /// full for a later one first.
    fn check(&self) -> Result<(), Trouble> {
        let settled = self.flying == 0 || self.target.access != Access::Offsets;
        match self.failed {
            Some((errno, offset)) if settled => Err(Trouble::System { errno, offset }),
            _ => Ok(()),
        }
    }

    fn submit(&mut self, cargo: Cargo, len: usize) {
        let align = if self.target.is_direct() && len.is_multiple_of(page_size()) { page_size() } else { 1 };
        let job = Job::new(self.number, cargo, true, self.next, len, align);
        self.number += 1;
        self.next += len as u64;
        self.flying += len;
        self.carrier.submit(job);
    }

    /// Takes in what is done, waiting for one if nothing is; false if nothing was within `time`.
    fn harvest(&mut self, time: Duration) -> Result<bool, Trouble> {
        let mut wait = time;
        let mut any = false;
        while let Some(job) = self.carrier.wait(wait) {
            self.land(job);
            (wait, any) = (Duration::ZERO, true);
        }
        self.check().map(|()| any)
    }

    fn land(&mut self, mut job: Job) {
        if job.align > 1 && job.error == Some(libc::EINVAL) {
            // This file system wants more alignment than pages, or none of this at all.
            self.target.set_direct(false);
            (job.error, job.align) = (None, 1);
            return self.carrier.submit(job);
        }
        if job.align == 1 {
            copies::count_all(Place::Write, job.moved);
        }
        self.flying -= job.wanted;
        if let Some(errno) = job.error.filter(|errno| *errno != libc::ECANCELED) {
            let at = job.offset + job.moved as u64;
            // The earliest byte that is missing is the one that counts.
            if self.failed.is_none_or(|(_, before)| at < before) {
                self.failed = Some((errno, at));
            }
        }
        match job.cargo {
            Cargo::Lent(loan, _) => self.spent.push(loan),
            Cargo::Own(output) if self.tail == Some(job.number) => {
                self.tail = None;
                self.block.memory = Some(output);
            }
            Cargo::Own(_) => {}
        }
    }

    fn push(&mut self, loan: Box<dyn Loan>) -> Result<(), Trouble> {
        self.check()?;
        let len = loan.bytes().len();
        if len == 0 {
            self.spent.push(loan);
            return Ok(());
        }
        if !self.target.is_direct() {
            self.submit_block(); // direct I/O has turned out to be impossible: what was gathered goes first
            self.submit(Cargo::Lent(loan, 0), len);
            return Ok(());
        }
        let page = page_size();
        let whole = len - len % page;
        let fits = self.block.len == 0 && whole > 0 && (loan.bytes().as_ptr() as usize).is_multiple_of(page);
        if !fits {
            self.gather(loan.bytes())?;
            self.spent.push(loan);
        } else if whole == len {
            self.submit(Cargo::Lent(loan, 0), whole);
        } else {
            // The tail before its owner leaves, and behind it in the file.
            let mut block = Output::pooled(&self.pool);
            let tail = loan.bytes().get(whole..).unwrap_or(&[]);
            block.paged(BLOCK)?.get_mut(..tail.len()).unwrap_or(&mut []).copy_from_slice(tail);
            copies::count(Place::Aside, tail.len());
            self.block = Block { memory: Some(block), len: tail.len() };
            self.submit(Cargo::Lent(loan, 0), whole);
        }
        Ok(())
    }

    /// Adds to the block, and writes each that is full.
    fn gather(&mut self, mut bytes: &[u8]) -> Result<(), Trouble> {
        copies::count(Place::Aside, bytes.len());
        while !bytes.is_empty() {
            let mut memory = match self.block.memory.take() {
                Some(memory) => memory,
                None => Output::pooled(&self.pool),
            };
            let from = self.block.len;
            let space = memory.paged(BLOCK)?.get_mut(from..).unwrap_or(&mut []);
            let (now, later) = bytes.split_at(bytes.len().min(space.len()));
            if let Some(space) = space.get_mut(..now.len()) {
                space.copy_from_slice(now);
            }
            bytes = later;
            self.block = Block { memory: Some(memory), len: from + now.len() };
            if self.block.len == BLOCK {
                self.submit_block();
            }
        }
        Ok(())
    }

    /// Hands the block over as it is.
    fn submit_block(&mut self) {
        let Block { memory, len } = std::mem::take(&mut self.block);
        self.tail_written = 0;
        if let Some(memory) = memory.filter(|_| len > 0) {
            self.submit(Cargo::Own(memory), len);
        }
    }

    fn flush(&mut self, time: Duration) -> Result<Look<()>, Trouble> {
        self.harvest(Duration::ZERO)?;
        loop {
            while self.flying > 0 {
                if !self.harvest(time)? {
                    return Ok(Look::Later);
                }
            }
            if self.block.len == self.tail_written {
                break;
            }
            // The tail is no whole page, and so goes through the page cache. The block stays: if more comes, it is
            // written once more, from its beginning, which lies on a page.
            let direct = self.target.is_direct();
            self.target.set_direct(false);
            let (len, next) = (self.block.len, self.next);
            let Some(memory) = self.block.memory.take() else { break };
            self.tail = Some(self.number);
            self.submit(Cargo::Own(memory), len);
            (self.next, self.tail_written) = (next, len);
            while self.tail.is_some() {
                // Short, and the flag must not be forgotten.
                self.harvest(Duration::from_millis(50))?;
            }
            self.target.set_direct(direct);
        }
        self.check()?;
        if self.moves {
            let end = self.next + self.block.len as u64;
            self.target.stand(end).map_err(|error| Trouble::at(&error, end))?;
        }
        Ok(Look::Is(()))
    }
}
