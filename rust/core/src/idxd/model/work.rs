//! A work queue's entries: those who store on one side, the engines on the other.
//!
//! A store takes a ticket, which is refused if all entries are taken, and goes into the ticket's slot of the portal; the
//! device takes the slots in that order. An entry is free again when an engine has taken its descriptor.

use super::config::QueueConfig;
use crate::ffi::eventfd::EventFd;
use crate::ffi::portal::{Portal, Words};
use crate::idxd::operation::Limits;
use crate::idxd::port::QueueInfo;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// On cache lines of its own: neighbours are fetched in pairs.
#[repr(align(128))]
struct Apart<T>(T);

struct Storing {
    /// Tickets given out.
    tail: AtomicU64,
    /// What the head was at least: looked up only when the queue seems full.
    head: AtomicU64,
}

pub(super) struct Work {
    pub info: QueueInfo,
    pub config: QueueConfig,
    pub limits: Limits,
    pub interrupt: Arc<EventFd>,
    portal: Portal,
    /// Entries that may be taken up.
    limit: u64,
    /// When each slot was filled, if the model has a sense of time; 0 if nobody noted it.
    arrived: Box<[AtomicU64]>,
    storing: Apart<Storing>,
    /// Descriptors that engines took.
    head: Apart<AtomicU64>,
    /// Whether stores are taken, and whether any ever will be again.
    is_open: AtomicBool,
    is_enabled: AtomicBool,
    lost: AtomicU64,
    retried: AtomicU64,
}

impl Work {
    pub fn new(info: QueueInfo, config: QueueConfig, limits: Limits) -> io::Result<Self> {
        // A power of two, so that the slot of a ticket needs no division.
        let portal = Portal::new(config.size.next_power_of_two())?;
        let arrived = (0..portal.slots()).map(|_| AtomicU64::new(0)).collect();
        Ok(Self {
            limit: config.limit() as u64,
            info,
            config,
            limits,
            interrupt: Arc::new(EventFd::new()?),
            portal,
            arrived,
            storing: Apart(Storing { tail: AtomicU64::new(0), head: AtomicU64::new(0) }),
            head: Apart(AtomicU64::new(0)),
            is_open: AtomicBool::new(true),
            is_enabled: AtomicBool::new(true),
            lost: AtomicU64::new(0),
            retried: AtomicU64::new(0),
        })
    }

    fn slot(&self, ticket: u64) -> usize {
        ticket as usize & (self.portal.slots() - 1)
    }

    /// Stores what got an entry; false if none was free. `now` if the model has a sense of time.
    pub fn post(&self, words: Words, now: Option<u64>) -> bool {
        let Apart(storing) = &self.storing;
        let mut tail = storing.tail.load(Ordering::Relaxed);
        loop {
            if tail.saturating_sub(storing.head.load(Ordering::Acquire)) >= self.limit {
                let head = self.head();
                storing.head.store(head, Ordering::Release);
                if tail.saturating_sub(head) >= self.limit {
                    return false;
                }
            }
            // In one order with the sleepers' bell: who goes to sleep sees this, or is seen asleep.
            match storing.tail.compare_exchange_weak(tail, tail + 1, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => break,
                Err(seen) => tail = seen,
            }
        }
        let slot = self.slot(tail);
        if let (Some(now), Some(arrived)) = (now, self.arrived.get(slot)) {
            arrived.store(now.max(1), Ordering::Relaxed);
        }
        self.portal.store(slot, words);
        true
    }

    pub fn tail(&self) -> u64 {
        self.storing.0.tail.load(Ordering::SeqCst)
    }

    pub fn head(&self) -> u64 {
        self.head.0.load(Ordering::Acquire)
    }

    /// Entries taken up.
    pub fn waiting(&self) -> u64 {
        self.tail().saturating_sub(self.head())
    }

    /// The first word of the next descriptor. Only for who holds the group's lock, as with all below.
    pub fn peek(&self) -> Option<u64> {
        self.portal.peek(self.slot(self.head.0.load(Ordering::Relaxed)))
    }

    /// The next descriptor and when it came, if anybody noted that. Its entry is free then.
    pub fn take(&self) -> Option<(Words, u64)> {
        let head = self.head.0.load(Ordering::Relaxed);
        let slot = self.slot(head);
        let words = self.portal.take(slot)?;
        let arrived = self.arrived.get(slot).map_or(0, |arrived| arrived.load(Ordering::Relaxed));
        self.head.0.store(head + 1, Ordering::Release);
        Some((words, arrived))
    }

    /// Whether stores are taken.
    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Takes stores, or none; a queue that was disabled takes none any more.
    pub fn open(&self, is_open: bool) {
        self.is_open.store(is_open && self.is_enabled(), Ordering::SeqCst);
    }

    pub fn is_enabled(&self) -> bool {
        self.is_enabled.load(Ordering::SeqCst)
    }

    pub fn disable(&self) {
        self.is_enabled.store(false, Ordering::SeqCst);
        self.open(false);
    }

    pub fn count_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    pub fn count_retry(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub fn retried(&self) -> u64 {
        self.retried.load(Ordering::Relaxed)
    }
}
