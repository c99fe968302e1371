//! A work queue as the driver has it: bound, counted, shared by all who have something under way in it.

use super::modes::{Mode, Own, Tables};
use super::statistics::Counters;
use super::trouble::Trouble;
use crate::idxd::port::{Mapped, Mode as Sharing, Queue};
use crate::idxd::slots::Slots;
use crate::idxd::wire::{Completion, Descriptor, decompress, flag, opcode, status};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How often a shared queue is asked before the caller is told that it is full (`enqcmds_retries` of the kernel).
pub const ENQUEUE_TRIES: u32 = 64;

/// How long a device has for doing nothing.
const ANSWERS_WITHIN: Duration = Duration::from_millis(250);

/// See the head of this file. What is under way holds an `Arc` of it: it lasts, with its records, until that has ended.
pub struct WorkQueue {
    pub port: Arc<dyn Queue>,
    pub counters: Arc<Counters>,
    pub slots: Slots,
    /// What each mode's descriptors point to.
    tables: Tables,
    /// Nothing new is taken.
    is_leaving: AtomicBool,
    /// Its device stopped answering.
    is_lost: AtomicBool,
    /// The last of its device's deaths after which a DRAIN has come back: of before, nothing will.
    settled: AtomicU64,
    /// Descriptors under way.
    in_flight: AtomicUsize,
}

impl WorkQueue {
    /// Maps what it needs and has the device build its tables.
    pub fn bind(port: Arc<dyn Queue>, counters: Arc<Counters>, own: &[Arc<Own>]) -> Result<Arc<Self>, Trouble> {
        let settled = port.deaths();
        let slots = Slots::new(&port).ok_or(Trouble::NoRoom)?;
        let tables = Tables::new(&*port, own).ok_or(Trouble::NoRoom)?;
        let queue = Arc::new(Self {
            port,
            counters,
            slots,
            tables,
            is_leaving: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
            settled: AtomicU64::new(settled),
            in_flight: AtomicUsize::new(0),
        });
        queue.read_canned_header();
        Ok(queue)
    }

    pub fn id(&self) -> (u32, u32) {
        (self.port.info().device_id, self.port.info().queue_id)
    }

    /// Whether it takes new work.
    pub fn is_open(&self) -> bool {
        !self.is_leaving.load(Ordering::Acquire) && !self.is_lost.load(Ordering::Acquire)
    }

    /// It is being unbound: nothing new.
    pub fn leave(&self) {
        self.is_leaving.store(true, Ordering::Release);
    }

    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    pub fn set_lost(&self, lost: bool) {
        self.is_lost.store(lost, Ordering::Release);
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The address of what `mode`'s descriptors of that direction point to.
    pub fn table(&self, mode: Mode, compresses: bool) -> Option<u64> {
        self.tables.addr(mode, compresses)
    }

    /// Whether its device does anything at all: a DRAIN comes back. Then so has all that was sent before, or it never will:
    /// the records that were left behind are free again.
    ///
    /// It takes a record of its own, since all of the queue's may have been left behind.
    pub fn answers(&self) -> bool {
        let deaths = self.port.deaths();
        let Some(slots) = Slots::of(&self.port, 1) else { return false };
        let Some(slot) = slots.take() else { return false };
        let left = self.slots.take_left();
        let until = Instant::now() + ANSWERS_WITHIN;
        let is_sent = self.store(Descriptor::new(opcode::DRAIN, 0), slots.addr(slot), false).is_ok();
        let mut is_back = false;
        while is_sent && !is_back && self.port.is_alive() {
            is_back = slots.look(slot).is_some_and(|record| record.status == status::SUCCESS);
            if !is_back && !self.port.help() && Instant::now() >= until {
                break;
            }
        }
        self.slots.return_left(&left, is_back);
        if is_back {
            self.settled.fetch_max(deaths, Ordering::AcqRel);
        } else if is_sent {
            self.port.forsake();
        }
        is_back
    }

    /// Whether its device has died since somebody last made sure of what it left.
    pub fn is_unsettled(&self) -> bool {
        self.port.deaths() != self.settled.load(Ordering::Acquire)
    }

    /// Sends one descriptor. Its completion comes to a record of this queue's.
    pub fn send(self: &Arc<Self>, descriptor: Descriptor, wants_interrupt: bool) -> Result<Flight, Trouble> {
        if self.is_open() { self.send_anyway(descriptor, wants_interrupt) } else { Err(Trouble::NoDevice) }
    }

    fn send_anyway(self: &Arc<Self>, descriptor: Descriptor, wants_interrupt: bool) -> Result<Flight, Trouble> {
        let slot = self.slots.take().ok_or(Trouble::NoSlot)?;
        let deaths = self.port.deaths();
        match self.put(slot, descriptor, wants_interrupt) {
            Ok(()) => {
                let is_sure = self.port.deaths() == deaths;
                Ok(Flight { queue: Arc::clone(self), slot, state: State::Out, deaths, is_sure })
            }
            Err(trouble) => {
                self.slots.give(slot);
                Err(trouble)
            }
        }
    }

    /// Into the portal, with a record that the caller has.
    fn put(&self, slot: usize, descriptor: Descriptor, wants_interrupt: bool) -> Result<(), Trouble> {
        self.store(descriptor, self.slots.addr(slot), wants_interrupt)?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Into the portal, with any record.
    fn store(&self, mut descriptor: Descriptor, record: u64, wants_interrupt: bool) -> Result<(), Trouble> {
        descriptor.completion_addr = record;
        descriptor.pasid_priv = self.port.info().pasid & 0x000f_ffff;
        descriptor.flags_opcode |= flag::CRAV | flag::RCR;
        if wants_interrupt && self.port.interrupt().is_some() {
            descriptor.flags_opcode |= flag::RCI;
            descriptor.int_handle = self.port.interrupt_handle();
        }
        match self.port.info().mode {
            Sharing::Dedicated => self.port.store(&descriptor),
            Sharing::Shared => {
                let mut tries = 1;
                while !self.port.enqueue(&descriptor) {
                    if tries == ENQUEUE_TRIES || !self.port.is_alive() {
                        return Err(Trouble::Again);
                    }
                    tries += 1;
                    if !self.port.help() {
                        std::hint::spin_loop();
                    }
                }
            }
        }
        Ok(())
    }

    /// Has the device read the header that canned streams leave out, so that its state can be loaded for each of them.
    /// Without it canned streams are decompressed in software.
    fn read_canned_header(self: &Arc<Self>) {
        let Some(header) = self.tables.canned_header() else { return };
        let mut descriptor =
            Descriptor::new(opcode::DECOMPRESS, flag::WR_SRC2_AECS_COMP | flag::AECS_RW_TOGGLE | flag::CC);
        descriptor.codec_flags = decompress::ENABLE | decompress::SUPPRESS_OUTPUT;
        (descriptor.src1_addr, descriptor.src1_size) = (header.addr, header.len);
        (descriptor.src2_addr, descriptor.src2_size) = (header.state, self.port.info().abilities.state_len);
        let done = self.send(descriptor, false).ok().and_then(|flight| flight.wait(100_000));
        self.tables.set_canned(done.is_some_and(|record| record.status == status::SUCCESS));
    }

    /// Maps memory for one request.
    ///
    /// # Safety
    /// As of [`Queue::map`].
    #[allow(unsafe_code)]
    pub unsafe fn map(&self, start: *mut u8, len: usize, writable: bool) -> Result<Mapped, Trouble> {
        // SAFETY: the caller's promise.
        unsafe { self.port.map(start, len, writable) }.ok_or(Trouble::NoRoom)
    }
}

/// A descriptor on its way. Dropped before it came back, it leaves its record behind, which nobody gets before the device
/// has written it.
pub struct Flight {
    queue: Arc<WorkQueue>,
    slot: usize,
    state: State,
    /// How often the device had died when it was sent.
    deaths: u64,
    /// It was sent before the next death, and not between that and this.
    is_sure: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The device has it.
    Out,
    /// It came back, and its record is still ours.
    Kept,
    /// It came back, and its record is somebody else's.
    Done,
}

impl Flight {
    pub fn queue(&self) -> &Arc<WorkQueue> {
        &self.queue
    }

    /// What came back, once it has. Afterwards nothing does.
    #[inline]
    pub fn look(&mut self) -> Option<Completion> {
        let record = self.look_and_keep()?;
        self.state = State::Done;
        self.queue.slots.give(self.slot);
        Some(record)
    }

    /// The same, and keeps the place in the queue for a second descriptor.
    #[inline]
    pub fn look_and_keep(&mut self) -> Option<Completion> {
        if self.state != State::Out {
            return None;
        }
        let record = self.queue.slots.look(self.slot)?;
        self.state = State::Kept;
        self.queue.in_flight.fetch_sub(1, Ordering::Relaxed);
        Some(record)
    }

    /// Sends a second descriptor to the same record: who has one needs no other, and so waits for nobody.
    pub fn send_again(&mut self, descriptor: Descriptor, wants_interrupt: bool) -> Result<(), Trouble> {
        if self.state != State::Kept {
            return Err(Trouble::NoSlot);
        }
        self.queue.slots.clear(self.slot);
        self.deaths = self.queue.port.deaths();
        self.queue.put(self.slot, descriptor, wants_interrupt)?;
        self.state = State::Out;
        self.is_sure = self.queue.port.deaths() == self.deaths;
        Ok(())
    }

    /// Whether nobody will answer: its device does not, or has died since.
    pub fn is_lost(&self) -> bool {
        self.state == State::Out && (!self.queue.port.is_alive() || self.queue.port.deaths() != self.deaths)
    }

    /// Lends this thread to the model, if it is one.
    #[inline]
    pub fn help(&self) -> bool {
        self.queue.port.help()
    }

    /// Looks so many times.
    pub fn wait(mut self, polls: u32) -> Option<Completion> {
        for poll in 0..polls {
            if let Some(record) = self.look() {
                return Some(record);
            }
            pause(poll, self.help());
        }
        None
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        match self.state {
            State::Out => {
                // Sent before a death whose remains have been cleared: nobody will write it.
                if self.is_sure && self.deaths < self.queue.settled.load(Ordering::Acquire) {
                    self.queue.slots.give(self.slot);
                } else {
                    self.queue.port.forsake();
                    self.queue.slots.leave(self.slot);
                }
                self.queue.in_flight.fetch_sub(1, Ordering::Relaxed);
            }
            State::Kept => self.queue.slots.give(self.slot),
            State::Done => {}
        }
    }
}

/// Looks between which the processor is given to others, where many have been in vain.
const PATIENT: u32 = 2_000;

/// Between two looks.
#[inline]
pub fn pause(poll: u32, helped: bool) {
    if helped {
    } else if poll < PATIENT {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now(); // whoever would complete it may be waiting for this very core
    }
}
