//! One message on its way through the device: what is mapped, which descriptors are out, and what follows on each.
//!
//! A message takes one descriptor; a second one that reads it back, if compression is verified; as many as it has parts,
//! for a container; another each time the space for what is decompressed was too small. Nobody waits in here: whoever
//! holds a task looks at it, on its own thread, on a polling one, or after an interrupt.
//!
//! Order of ends: descriptors first, then the mappings (unmapping waits until the model is out of the memory), then the
//! memory itself, which belongs to the caller of all this and outlives the task.

use super::by_n::{self, Parts};
use super::form::Form;
use super::modes::Mode;
use super::part::{Answer, Part};
use super::queue::{Flight, WorkQueue};
use super::trouble::Trouble;
pub use super::trouble::{Ended, Failure};
use crate::alg::{Direction, Facts};
use crate::buffer::{Output, Source};
use crate::idxd::port::Mapped;
use crate::idxd::wire::{Descriptor, decompress, flag, opcode, status};
use crate::status::Status;
use smallvec::SmallVec;
use std::sync::Arc;

/// Most bytes of a message whose tables the device makes itself (the kernel's `PAGE_SIZE`).
pub const DYNAMIC_MOST: usize = 4096;
/// How often a message is begun again when the device that had it went away.
pub(super) const LOST_MOST: u32 = 100;

/// What came of the attempt to begin.
pub enum Begun {
    /// It is done already: in software, or refused.
    Done(Ended),
    /// The queue has no entry left: to be tried again.
    Busy,
    Going(Box<Task>),
}

impl Begun {
    /// Whether others have all the room there is: it may be tried again.
    pub fn is_crowded(&self) -> bool {
        match self {
            Self::Busy => true,
            Self::Done(Err(failure)) => failure.is_crowded(),
            _ => false,
        }
    }
}

enum Step {
    Compress,
    /// What came out is read back.
    Verify {
        len: usize,
        crc: u32,
    },
    Decompress,
    /// The parts of a container: where each one's source is, and its result goes. Those that found no entry of a queue
    /// follow the others.
    Parts(Box<(Parts, Parts)>),
    /// Nothing is out: it is begun again when a queue has an entry.
    Again,
}

/// See the head of this file.
pub struct Task {
    step: Step,
    parts: SmallVec<[Part; 1]>,
    /// Bytes of space that were mapped.
    capacity: usize,
    max_output: u64,
    lost: u32,
    /// A message in several pieces, put together: the device wants one.
    gathered: Option<Vec<u8>>,
    /// Where the result goes, as an address: nothing is done with it but to map it.
    target: usize,
}

/// The message in one piece.
fn whole<'a>(source: &'a Source, gathered: &'a mut Option<Vec<u8>>) -> &'a [u8] {
    match source.as_slice() {
        Some(bytes) => bytes,
        None => {
            let mut bytes = Vec::new();
            source.contiguous(&mut bytes);
            gathered.insert(bytes)
        }
    }
}

/// One message, as all functions here have it.
pub struct Message<'a> {
    pub form: &'a Form,
    pub direction: Direction,
    pub source: &'a Source,
    pub output: &'a mut Output,
    pub max_output: u64,
}

impl Message<'_> {
    fn compresses(&self) -> bool {
        self.direction == Direction::Compress
    }

    /// Does it without the device.
    fn software(&mut self) -> Ended {
        self.form.driver.statistics.count_software(self.direction);
        self.form.software(self.direction, self.source, self.output, self.max_output).map_err(Failure::Status)
    }

    /// A container into memory that has no room for each part's largest size: made elsewhere, and copied if it fits.
    fn aside(&mut self) -> Ended {
        let mut roomy = self.output.sibling();
        let Self { form, direction, source, max_output, .. } = *self;
        form.finish(&mut Message { form, direction, source, output: &mut roomy, max_output })?;
        let capacity = self.output.capacity();
        let small = |_| Failure::Trouble(Trouble::TooBig, capacity);
        self.output.exactly(roomy.len()).map_err(small)?.copy_from_slice(roomy.as_slice());
        self.output.set_len(roomy.len());
        Ok(Facts::default())
    }

    /// Begins: takes the next queue of this CPU.
    pub fn begin(&mut self) -> Begun {
        let len = self.source.len();
        let form = self.form;
        if !form.driver.is_enabled() {
            return Begun::Done(Err(Trouble::NoDevice.into())); // also what would not need a device
        }
        let is_tight = self.output.is_fixed() && self.output.capacity() < form.bound(len);
        if matches!(form.mode, Mode::ByN(_)) && self.compresses() && is_tight && len > 0 {
            return Begun::Done(self.aside());
        }
        let is_long = form.mode == Mode::Dynamic && self.compresses() && len > DYNAMIC_MOST;
        if len == 0 || is_long || len as u64 > form.max_transfer {
            return Begun::Done(self.software());
        }
        let capacity = if self.compresses() {
            form.bound(len)
        } else {
            let most = usize::try_from(self.max_output.min(form.max_transfer)).unwrap_or(usize::MAX);
            len.saturating_mul(4).clamp(4096, 128 << 10).min(most)
        };
        self.begin_with(capacity, 0)
    }

    fn begin_with(&mut self, capacity: usize, lost: u32) -> Begun {
        let result = match self.form.mode {
            Mode::ByN(num) => self.start_parts(num, capacity),
            _ => self.start(capacity),
        };
        match result {
            Ok(mut task) => {
                task.lost = lost;
                Begun::Going(Box::new(task))
            }
            Err(Failure::Trouble(Trouble::NoSlot, _)) => Begun::Busy,
            Err(Failure::Trouble(Trouble::Unable, _)) => Begun::Done(self.software()),
            // It can be read without the device, and must be.
            Err(Failure::Trouble(Trouble::Again | Trouble::NoRoom, _)) if !self.compresses() => {
                Begun::Done(self.software())
            }
            Err(failure) => Begun::Done(Err(failure)),
        }
    }

    /// The space to write to, and how much of it is used. Caller's memory is never more than it is.
    fn space(&mut self, capacity: usize) -> (*mut u8, usize) {
        let is_fixed = self.output.is_fixed();
        let space = self.output.space(capacity);
        let most =
            if is_fixed && self.direction == Direction::Compress { space.len() } else { space.len().min(capacity) };
        (space.as_mut_ptr(), most.min(u32::MAX as usize))
    }

    fn start(&mut self, capacity: usize) -> Result<Task, Failure> {
        let (target, capacity) = self.space(capacity);
        if capacity == 0 {
            return Err(Failure::Trouble(if self.compresses() { Trouble::TooBig } else { Trouble::NoRoom }, 0));
        }
        let mut gathered = None;
        let bytes = whole(self.source, &mut gathered);
        let part = self.form.send_next(self.direction, bytes, target, capacity)?;
        let step = if self.compresses() { Step::Compress } else { Step::Decompress };
        let (max_output, parts) = (self.max_output, SmallVec::from_buf([part]));
        Ok(Task { step, parts, capacity, max_output, lost: 0, gathered, target: target.expose_provenance() })
    }

    fn start_parts(&mut self, num: u32, capacity: usize) -> Result<Task, Failure> {
        let wrong = |what: by_n::Wrong| Failure::Status(Status::usage(what.to_string()));
        let compresses = self.compresses();
        let (target, capacity) = self.space(capacity);
        let mut gathered = None;
        let bytes = whole(self.source, &mut gathered);
        let (stretches, places) = if compresses {
            let num = if bytes.len() < num as usize { 1 } else { num as usize };
            let places = by_n::places(capacity, num).map_err(|_| Failure::Trouble(Trouble::TooBig, capacity))?;
            (by_n::split(bytes.len(), num).map_err(wrong)?, places)
        } else {
            let damaged = |_| Failure::Status(Status::Corrupt { offset: 0, what: "invalid container of parts" });
            let stretches = by_n::parse(bytes).map_err(damaged)?;
            if capacity < stretches.num() {
                return Err(Trouble::NoRoom.into()); // not a byte for each part: in software, then
            }
            let places = by_n::room(capacity, stretches.num()).map_err(damaged)?;
            (stretches, places)
        };
        let (max_output, step) = (self.max_output, Step::Parts(Box::new((stretches, places))));
        let target = target.expose_provenance();
        let mut task = Task { step, parts: SmallVec::new(), capacity, max_output, lost: 0, gathered, target };
        task.send_parts(self)?;
        if task.parts.is_empty() { Err(Trouble::NoSlot.into()) } else { Ok(task) }
    }
}

impl Task {
    /// Lends this thread to the models that have work of this.
    pub fn help(&self) -> bool {
        self.parts.iter().filter_map(|part| part.flight.as_ref()).any(Flight::help)
    }

    /// Whether a device that has some of it has stopped answering.
    pub fn is_lost(&self) -> bool {
        self.parts.iter().filter_map(|part| part.flight.as_ref()).any(Flight::is_lost)
    }

    /// What came of it, if everything is back; `message` is the one that it was begun with.
    pub fn look(&mut self, message: &mut Message<'_>) -> Option<Ended> {
        let keeps = matches!(self.step, Step::Compress) && message.form.settings.verify;
        let mut is_back = true;
        for part in &mut self.parts {
            if part.record.is_none() {
                let flight = part.flight.as_mut();
                part.record = flight
                    .and_then(|flight| if keeps { flight.look_and_keep() } else { flight.look() })
                    .map(|record| Answer::of(&record));
                is_back &= part.record.is_some();
            }
        }
        match &self.step {
            Step::Parts(sides) if self.parts.len() < sides.0.num() => match self.send_parts(message) {
                Ok(()) => None,
                Err(failure) => {
                    self.parts.clear();
                    Some(Err(failure))
                }
            },
            _ if !is_back => None,
            Step::Compress => self.compressed(message),
            Step::Verify { len, crc } => {
                let (len, crc) = (*len, *crc);
                Some(self.verified(message, len, crc))
            }
            Step::Decompress => self.decompressed(message),
            Step::Parts(_) => self.parted(message),
            Step::Again => self.start_over(message, self.capacity),
        }
    }

    /// Sends as many of the parts that are left as there are entries for.
    fn send_parts(&mut self, message: &Message<'_>) -> Result<(), Failure> {
        let Step::Parts(sides) = &self.step else { return Ok(()) };
        let (stretches, places) = &**sides;
        let bytes = self.gathered.as_deref().or_else(|| message.source.as_slice()).unwrap_or(&[]);
        for index in self.parts.len()..stretches.num() {
            let (piece, place) = (bytes.get(stretches.get(index)).unwrap_or(&[]), places.get(index));
            // What a part is written to lies inside the space: `places` and `room` are made of its size.
            let target = std::ptr::with_exposed_provenance_mut(self.target.wrapping_add(place.start));
            match message.form.send_next(message.direction, piece, target, place.len()) {
                Ok(part) => self.parts.push(part),
                Err(failure) if failure.is_crowded() => break,
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Begins it anew, now or as soon as there is an entry.
    fn start_over(&mut self, message: &mut Message<'_>, capacity: usize) -> Option<Ended> {
        self.parts.clear(); // which unmaps
        match message.begin_with(capacity, self.lost) {
            Begun::Going(task) => {
                *self = *task;
                None
            }
            begun if begun.is_crowded() => {
                (self.step, self.capacity) = (Step::Again, capacity);
                None
            }
            Begun::Done(ended) => Some(ended),
            Begun::Busy => None,
        }
    }

    /// Nobody will answer: another device, or an end. To be called when [`is_lost`](Self::is_lost) says so.
    pub fn begin_again(&mut self, message: &mut Message<'_>) -> Option<Ended> {
        let lost = self.parts.iter().filter_map(|part| part.flight.as_ref()).filter(|flight| flight.is_lost());
        let lost: SmallVec<[Arc<WorkQueue>; 1]> = lost.map(|flight| Arc::clone(flight.queue())).collect();
        self.parts.clear(); // which unmaps
        lost.iter().for_each(|queue| message.form.driver.lose(queue));
        self.lost += 1;
        if self.lost > LOST_MOST {
            self.parts.clear();
            return Some(Err(Trouble::Lost.into()));
        }
        self.start_over(message, self.capacity)
    }

    /// Nothing comes back, and whoever waits has no more patience.
    pub fn give_up(&mut self, message: &Message<'_>) -> Failure {
        if matches!(self.step, Step::Again) {
            return Trouble::NoSlot.into(); // no device has anything of it
        }
        message.form.driver.disable("a descriptor did not complete in time");
        self.parts.clear();
        Trouble::TimedOut.into()
    }

    fn only(&self) -> Option<(&Part, Answer)> {
        self.parts.first().and_then(|part| part.record.map(|record| (part, record)))
    }

    /// Counts a completion that is a failure.
    fn failed(&self, message: &Message<'_>, trouble: Trouble) -> Failure {
        let statistics = &message.form.driver.statistics;
        match trouble {
            Trouble::TimedOut => statistics.count_timeout(),
            Trouble::TooBig => statistics.count_comp_buf_overflow(),
            _ => statistics.count_einval(),
        }
        Failure::Trouble(trouble, self.capacity)
    }

    fn compressed(&mut self, message: &mut Message<'_>) -> Option<Ended> {
        let (part, record) = self.only()?;
        let len = record.output_size as usize;
        let trouble = record.trouble(true);
        // A device that says that it wrote more than there was, or nothing, is not believed.
        let trouble = trouble.or((len > self.capacity || len == 0).then_some(Trouble::Invalid(record.status)));
        if let Some(trouble) = trouble {
            return Some(self.failed_or_software(message, trouble));
        }
        let queue = part.flight.as_ref().map(|flight| Arc::clone(flight.queue()))?;
        queue.counters.count_bytes(Direction::Compress, len as u64);
        if message.form.settings.verify {
            return match self.send_verification(message, &queue, len, record.crc) {
                Ok(()) => None,
                // The queue went, or is crowded by others. If it was the last one, what was under way is finished here.
                Err(Trouble::NoDevice | Trouble::Again) => match self.begin_again(message) {
                    Some(Err(Failure::Trouble(Trouble::NoDevice, _))) => Some(message.software()),
                    other => other,
                },
                Err(trouble) => {
                    self.parts.clear();
                    Some(Err(trouble.into()))
                }
            };
        }
        self.finish(message, len)
    }

    /// Unmaps, then tells where the result ends.
    fn finish(&mut self, message: &mut Message<'_>, len: usize) -> Option<Ended> {
        self.parts.clear();
        message.output.set_len(len);
        Some(Ok(Facts::default()))
    }

    /// Sends what came out back in, with its result suppressed. All stays mapped: the same memory is read.
    fn send_verification(
        &mut self,
        message: &Message<'_>,
        queue: &Arc<WorkQueue>,
        len: usize,
        crc: u32,
    ) -> Result<(), Trouble> {
        let part = self.parts.first_mut().ok_or(Trouble::Unverified)?;
        let mode = message.form.mode;
        let flags = if mode.is_canned() { flag::RD_SRC2_AECS | flag::CC } else { flag::CC };
        let mut descriptor = Descriptor::new(opcode::DECOMPRESS, flags);
        descriptor.codec_flags = decompress::ENABLE
            | decompress::FLUSH_OUTPUT
            | decompress::CHECK_FOR_EOB
            | decompress::STOP_ON_EOB
            | decompress::SUPPRESS_OUTPUT;
        (descriptor.src1_addr, descriptor.src1_size) = (part.target.addr(), len as u32);
        (descriptor.dst_addr, descriptor.max_dst_size) = (part.source.addr(), message.source.len() as u32);
        if mode.is_canned() {
            descriptor.src2_addr = queue.table(mode, false).ok_or(Trouble::Unverified)?;
            descriptor.src2_size = queue.port.info().abilities.state_len;
        }
        let wants_interrupt = message.form.wants_interrupt();
        let flight = part.flight.as_mut().ok_or(Trouble::Unverified)?;
        flight.send_again(descriptor, wants_interrupt)?;
        part.record = None;
        self.step = Step::Verify { len, crc };
        Ok(())
    }

    fn verified(&mut self, message: &mut Message<'_>, len: usize, crc: u32) -> Ended {
        let record = self.only().map(|(_, record)| record);
        let trouble = record.and_then(|record| record.trouble(false));
        if trouble.is_some() || record.is_none_or(|record| record.crc != crc) {
            // The kernel counts completions that fail, and not checksums that differ.
            if let Some(trouble) = trouble {
                self.failed(message, trouble);
            }
            self.parts.clear();
            message.output.set_len(0);
            return Err(Failure::Trouble(Trouble::Unverified, self.capacity));
        }
        self.finish(message, len).unwrap_or(Err(Trouble::Unverified.into()))
    }

    fn decompressed(&mut self, message: &mut Message<'_>) -> Option<Ended> {
        let (part, record) = self.only()?;
        let len = record.output_size as usize;
        match record.trouble(false) {
            None if len <= self.capacity && record.bytes_completed as usize == message.source.len() => {
                let queue = part.flight.as_ref().map(Flight::queue)?;
                queue.counters.count_bytes(Direction::Decompress, message.source.len() as u64);
                self.finish(message, len)
            }
            // Not all was read: something follows, about which the software engine has its own word. And what the device
            // cannot read, it may be able to: a window of 32 KiB.
            told @ (None | Some(Trouble::Analytics(_))) => {
                let queue = part.flight.as_ref().map(|flight| Arc::clone(flight.queue()));
                if told.is_some() {
                    message.form.driver.statistics.count_einval();
                }
                self.parts.clear();
                let ended = message.software();
                if let (Ok(_), Some(queue)) = (&ended, queue) {
                    queue.counters.count_bytes(Direction::Decompress, message.source.len() as u64);
                }
                Some(ended)
            }
            Some(Trouble::Overflow) => self.grow(message),
            Some(trouble) => Some(self.failed_or_software(message, trouble)),
        }
    }

    /// A failure; but a page that was not there, where the device works on the process's own memory, is the device's trouble
    /// and nobody's fault.
    fn failed_or_software(&mut self, message: &mut Message<'_>, trouble: Trouble) -> Ended {
        let is_shared = self.parts.iter().any(|part| matches!(part.source, Mapped::Shared(_)));
        let failure = self.failed(message, trouble);
        self.parts.clear();
        if is_shared && trouble == Trouble::Invalid(status::PAGE_FAULT) { message.software() } else { Err(failure) }
    }

    /// Whether more space than there was may be had.
    fn has_more_room(&self, message: &Message<'_>) -> bool {
        (self.capacity as u64) < self.max_output.min(message.form.max_transfer)
    }

    /// Begins again with more space, if there may be more.
    fn grow(&mut self, message: &mut Message<'_>) -> Option<Ended> {
        self.parts.clear();
        let is_fixed = message.output.is_fixed();
        if self.capacity as u64 >= self.max_output {
            return Some(Err(Failure::Status(Status::LimitExceeded { limit: self.max_output })));
        }
        if is_fixed && self.capacity >= message.output.capacity() {
            return Some(Err(Failure::Trouble(Trouble::Overflow, self.capacity)));
        }
        let most = self.max_output.min(message.form.max_transfer);
        if self.capacity as u64 >= most {
            return Some(message.software()); // more than one transfer has
        }
        let capacity = usize::try_from(most).unwrap_or(usize::MAX).min(self.capacity.saturating_mul(2));
        self.start_over(message, capacity)
    }

    fn parted(&mut self, message: &mut Message<'_>) -> Option<Ended> {
        let Step::Parts(sides) = &self.step else { return None };
        let (stretches, places) = (sides.0.clone(), sides.1.clone());
        let compresses = message.compresses();
        let mut sizes: SmallVec<[usize; 8]> = SmallVec::new();
        for ((part, place), stretch) in self.parts.iter().zip(places.iter()).zip(stretches.iter()) {
            let record = part.record?;
            let size = record.output_size as usize;
            match record.trouble(compresses) {
                // Something follows the end of a part, about which the software engine has its own word.
                None if !compresses && record.bytes_completed as usize != stretch.len() => {
                    self.parts.clear();
                    return Some(message.software());
                }
                None if size <= place.len() => sizes.push(size),
                // Parts of sizes that differ do not all fit the room that each has, though the whole may fit.
                Some(Trouble::Overflow) if !message.output.is_fixed() && self.has_more_room(message) => {
                    return self.grow(message);
                }
                Some(Trouble::Analytics(_) | Trouble::Overflow) if !compresses => {
                    self.parts.clear();
                    return Some(message.software());
                }
                trouble => {
                    // As the kernel's: fewer than all is an I/O error, whatever happened to the others.
                    let trouble = trouble.filter(|trouble| *trouble == Trouble::TooBig).unwrap_or(Trouble::Parts);
                    let failure = self.failed(message, trouble);
                    self.parts.clear();
                    return Some(Err(failure));
                }
            }
        }
        for (part, size) in self.parts.iter().zip(&sizes) {
            if let Some(queue) = part.flight.as_ref().map(Flight::queue) {
                let read = part.record.map_or(0, |record| u64::from(record.bytes_completed));
                queue.counters.count_bytes(message.direction, if compresses { *size as u64 } else { read });
            }
        }
        self.parts.clear();
        let space = message.output.space(self.capacity);
        let space = space.get_mut(..self.capacity).unwrap_or(&mut []);
        let joined = if compresses { by_n::close(space, &places, &sizes) } else { by_n::join(space, &places, &sizes) };
        match joined {
            Ok(len) => self.finish(message, len),
            Err(_) => Some(Err(Failure::Trouble(Trouble::Parts, self.capacity))),
        }
    }
}
