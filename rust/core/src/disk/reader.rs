//! Reading ahead: a few pieces in flight, given in order.

use super::job::{Cargo, Carrier, Job};
use super::stop::Stop;
use super::target::{Access, Target};
use super::{CANCELLED, Look, Ours, Trouble, Via, carrier, withdrawn};
use crate::buffer::{Output, Pool};
use crate::copies::{self, Place};
use crate::ffi::descriptor::page_size;
use crate::status::Status;
use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The largest piece: what one call to the system moves, and no page less.
const LARGEST: usize = 1 << 30;

/// How a file is read.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Bytes of a piece, a multiple of the page size.
    pub piece: usize,
    /// Pieces that are read before they are asked for.
    pub ahead: usize,
    /// Where to begin; else where the descriptor stands, or a pipe is.
    pub offset: Option<u64>,
    /// The most bytes.
    pub length: Option<u64>,
    /// Past the page cache, where the file system can.
    pub direct: bool,
    pub via: Via,
}

/// A piece on its way.
enum Flight {
    Up,
    Landed(Job),
}

struct Inner {
    carrier: Box<dyn Carrier>,
    target: Arc<Target>,
    pool: Arc<Pool>,
    piece: usize,
    ahead: usize,
    /// What is behind the last piece in flight, and behind the last byte wanted.
    next: u64,
    end: u64,
    /// What the file held when that was last asked: beyond it, one piece at a time looks whether there is more.
    size: u64,
    flights: VecDeque<Flight>,
    /// The number of the first flight.
    first: u64,
    ended: bool,
    failed: Option<Trouble>,
    /// Whether the descriptor is to stand behind what was read, and where that began.
    moves: Option<u64>,
}

/// Reads a file, pipe or device in pieces. One reader at a time; `cancel` from any thread.
pub struct Reader {
    inner: Ours<Inner>,
    stop: Arc<Stop>,
    position: AtomicU64,
    direct: AtomicBool,
    via: &'static str,
}

impl Reader {
    /// Opens `fd` for reading; the descriptor remains the caller's. Nothing is read before the first
    /// [`next`](Self::next).
    ///
    /// # Errors
    /// A piece that is no whole number of pages; a descriptor that cannot be read, or has no offsets where one is asked
    /// for.
    pub fn new(pool: &Arc<Pool>, fd: RawFd, how: Reading) -> Result<Self, Trouble> {
        let page = page_size();
        if how.piece == 0 || how.piece > LARGEST || !how.piece.is_multiple_of(page) {
            let piece = how.piece;
            return Err(
                Status::usage(format!("piece is {piece}; it must be a multiple of {page}, up to {LARGEST}")).into()
            );
        }
        if how.ahead == 0 || how.ahead > 1024 {
            return Err(Status::usage(format!("ahead is {}; it must be in 1 to 1024", how.ahead)).into());
        }
        let begin = how.offset.unwrap_or(0);
        let open = |fd| -> io::Result<(Target, Option<u64>)> {
            let target = Target::open(fd, false)?;
            let moves = match (target.access, how.offset) {
                (Access::Offsets, None) => Some(target.stands()?),
                (Access::Offsets, Some(_)) => None,
                (_, None | Some(0)) => None,
                (_, Some(_)) => return Err(io::Error::from_raw_os_error(libc::ESPIPE)),
            };
            Ok((target, moves))
        };
        let (target, moves) = open(fd).map_err(|error| Trouble::at(&error, begin))?;
        let next = moves.unwrap_or(begin);
        let target = Arc::new(target);
        if how.direct && next.is_multiple_of(page as u64) {
            target.set_direct(true);
        }
        let prepare = || -> io::Result<_> {
            let stop = Stop::new()?;
            Ok((carrier(&target, &stop, how.via, how.ahead)?, stop))
        };
        let (carrier, stop) = prepare().map_err(|error| {
            target.restore();
            Trouble::at(&error, next)
        })?;
        let via = carrier.via();
        let direct = AtomicBool::new(target.is_direct());
        let size = target.size();
        let inner = Inner {
            carrier,
            target,
            pool: Arc::clone(pool),
            piece: how.piece,
            ahead: how.ahead,
            next,
            end: how.length.map_or(u64::MAX, |length| next.saturating_add(length)),
            size,
            flights: VecDeque::new(),
            first: 0,
            ended: false,
            failed: None,
            moves,
        };
        Ok(Self { inner: Ours::new(inner), stop, position: AtomicU64::new(0), direct, via })
    }

    /// The next piece, whole unless the data end in it; `None` at the end. Waits no longer than `time`.
    pub fn next(&self, time: Duration) -> Result<Look<Option<Output>>, Trouble> {
        let found = self.inner.with(|inner| {
            let inner = inner.as_mut().filter(|_| !self.stop.is_stopped()).ok_or(CANCELLED)?;
            let found = inner.next(time);
            self.direct.store(inner.target.is_direct(), Ordering::Relaxed);
            if self.stop.is_stopped() { Err(CANCELLED.into()) } else { found }
        })?;
        if let Look::Is(Some(piece)) = &found {
            self.position.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        Ok(found)
    }

    /// Ends a waiting `next`, and every later one, with an error.
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
            if let Some(began) = inner.moves {
                // A convenience for who reads on; a file that cannot seek any more is no trouble of ours.
                let _ = inner.target.stand(began + self.position());
            }
            *slot = None;
            Ok(Look::Is(()))
        })
    }

    /// Bytes given out.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
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

impl Drop for Reader {
    fn drop(&mut self) {
        while let Ok(Look::Later) = self.close(Duration::from_secs(1)) {}
    }
}

impl Inner {
    fn next(&mut self, time: Duration) -> Result<Look<Option<Output>>, Trouble> {
        loop {
            if let Some(failed) = &self.failed {
                return Err(failed.clone());
            }
            if !self.ended {
                self.launch()?;
            }
            match self.flights.pop_front() {
                None => return Ok(Look::Is(None)),
                Some(Flight::Landed(job)) => {
                    self.first += 1;
                    return self.give(job).map(Look::Is);
                }
                Some(Flight::Up) => self.flights.push_front(Flight::Up),
            }
            let Some(job) = self.carrier.wait(time) else { return Ok(Look::Later) };
            self.land(job);
        }
    }

    fn align(&self) -> usize {
        if self.target.is_direct() { page_size() } else { 1 }
    }

    /// Fills up what is in flight.
    fn launch(&mut self) -> Result<(), Trouble> {
        while self.flights.len() < self.ahead && self.next < self.end {
            if self.next >= self.size && !self.flights.is_empty() {
                break; // perhaps the end is there already
            }
            let wanted = usize::try_from(self.end - self.next).map_or(self.piece, |left| left.min(self.piece));
            let mut output = Output::pooled(&self.pool);
            output.paged(self.piece)?;
            let number = self.first + self.flights.len() as u64;
            let job = Job::new(number, Cargo::Own(output), false, self.next, wanted, self.align());
            self.flights.push_back(Flight::Up);
            self.next += wanted as u64;
            self.carrier.submit(job);
        }
        Ok(())
    }

    fn land(&mut self, mut job: Job) {
        if job.align == 1 {
            copies::count_all(Place::Read, job.moved);
        } else if job.error == Some(libc::EINVAL) {
            // This file system wants more alignment than pages, or none of this at all.
            self.target.set_direct(false);
            (job.error, job.align) = (None, 1);
            return self.carrier.submit(job);
        }
        // What lies before the first was given up when the data ended.
        let index = job.number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(flight) = index.and_then(|index| self.flights.get_mut(index)) {
            *flight = Flight::Landed(job);
        }
    }

    /// Hands out the first piece, or what it met.
    fn give(&mut self, job: Job) -> Result<Option<Output>, Trouble> {
        let Job { cargo, offset, wanted, moved, error, .. } = job;
        if error.is_some() || moved < wanted {
            self.ended = true;
            self.first += self.flights.len() as u64;
            self.flights.clear();
        }
        if let Some(errno) = error {
            let trouble = match errno {
                libc::ECANCELED => CANCELLED.into(),
                _ => Trouble::System { errno, offset: offset + moved as u64 },
            };
            self.failed = Some(trouble.clone());
            return Err(trouble);
        }
        if !self.ended {
            self.launch()?; // so that the disk works while the caller does
        }
        let Cargo::Own(mut output) = cargo else { return Ok(None) };
        output.set_len(moved);
        Ok((moved > 0).then_some(output))
    }
}
