//! What all threads of a device share, and the work on one descriptor, from engine to record.

use super::bell::Bell;
use super::config::Capabilities;
use super::errors::Register;
use super::group::{Ended, Group, Job, Load};
use super::inject::{Harm, Injector};
use super::knobs::Knobs;
use super::work::Work;
use crate::clock::Clock;
use crate::idxd::operation::execute;
use crate::idxd::space::{FaultKind, Iommu, Space};
use crate::idxd::wire::{Completion, Descriptor, flag, opcode, status};
use crate::ring::Bell as _;
use crate::sync::lock_std as lock;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};

/// Descriptors taken from queues at once by a thread of the device.
const BURST: u32 = 16;
/// Pages that one descriptor may wait for: more than any has.
const MAX_FAULTS: u32 = 4096;

pub(super) struct Board {
    pub capabilities: Capabilities,
    pub clock: Arc<dyn Clock>,
    pub iommu: Arc<Iommu>,
    pub knobs: Knobs,
    pub injector: Injector,
    pub errors: Register,
    pub bell: Bell,
    pub groups: Box<[Group]>,
    /// Enabled queues, by number.
    pub works: Mutex<Vec<Option<Arc<Work>>>>,
    /// Changes with `works`.
    pub version: AtomicU64,
    pub is_stopping: AtomicBool,
    /// Halted, and says so.
    pub is_halted: AtomicBool,
    /// How often it halted and said so.
    pub deaths: AtomicU64,
    /// The process that its threads run in.
    pub generation: u64,
}

impl Board {
    pub fn new(capabilities: Capabilities, clock: Arc<dyn Clock>) -> Self {
        let queues = capabilities.work_queues;
        Self {
            iommu: Iommu::new(capabilities.max_mappings),
            knobs: Knobs::default(),
            injector: Injector::new(),
            errors: Register::default(),
            bell: Bell::default(),
            groups: (0..capabilities.groups).map(|number| Group::new(number, queues)).collect(),
            works: Mutex::new((0..queues).map(|_| None).collect()),
            version: AtomicU64::new(0),
            is_stopping: AtomicBool::new(false),
            is_halted: AtomicBool::new(false),
            deaths: AtomicU64::new(0),
            generation: crate::fork::generation(),
            capabilities,
            clock,
        }
    }

    pub fn is_ours(&self) -> bool {
        self.generation == crate::fork::generation()
    }

    pub fn works(&self) -> Vec<Arc<Work>> {
        lock(&self.works).iter().flatten().cloned().collect()
    }

    /// Does what a group has to do; gives the number of jobs done.
    pub fn serve(&self, group: &Group) -> usize {
        self.serve_some(group, BURST as usize * 4, BURST)
    }

    /// One job at most, and nothing is taken from a queue and left.
    pub fn serve_one(&self, group: &Group) -> bool {
        self.serve_some(group, 1, 1) != 0
    }

    fn serve_some(&self, group: &Group, jobs: usize, burst: u32) -> usize {
        let mut done = 0;
        let mut inner = group.lock();
        loop {
            // In the end what engines have taken is done, and no more is taken.
            let burst = if done < jobs { burst } else { 0 };
            let job = inner.next(&*self.clock, self.knobs.is_timed(), burst);
            let Some(job) = job.filter(|_| done < jobs || burst == 0) else { break };
            drop(inner);
            let ended = self.perform(job);
            done += 1;
            inner = group.lock();
            inner.finish(ended);
            if jobs == 1 {
                break;
            }
        }
        group.publish(&inner);
        done
    }

    fn perform(&self, job: Job) -> Ended {
        match job {
            Job::Execute(load) => self.execute(load),
            Job::Record(load, completion, due) => {
                // Told late, it is done in time all the same: the engine was free then.
                self.record(&load, &completion);
                done(&load, Some(completion.status), due)
            }
        }
    }

    fn execute(&self, load: Load) -> Ended {
        let descriptor = &load.descriptor;
        if let Some((code, address)) = unspeakable(descriptor) {
            self.errors.set(code, load.queue as u32, descriptor, address);
            return done(&load, Some(code), load.began.unwrap_or(0));
        }
        let set_out = load.began.map(|_| self.clock.now());
        let harm = self.injector.draw();
        let mut extra = 0;
        let mut completion = match harm {
            Some((Harm::Stick, _)) => return Ended::Stuck { engine: load.engine },
            Some((Harm::Fail(status), _)) => Completion::of(status),
            _ if descriptor.has(flag::RCI) && descriptor.int_handle != 0 => {
                Completion::of(status::BAD_INTERRUPT_HANDLE)
            }
            _ => self.operate(&load, &mut extra),
        };
        match harm {
            Some((Harm::Lose, _)) => return done(&load, None, load.began.unwrap_or(0)),
            Some((Harm::Corrupt, random)) => self.corrupt(descriptor, &mut completion, random),
            Some((Harm::Delay(ns), _)) => extra += ns,
            _ => {}
        }
        if load.began.is_none() && extra == 0 {
            self.record(&load, &completion);
            return done(&load, Some(completion.status), 0);
        }
        self.in_time(load, completion, extra, set_out)
    }

    /// Records it if its time has come. The work was set out on then, perhaps later than the engine would have: what it
    /// took counts, not how long nobody was there to do it.
    fn in_time(&self, mut load: Load, mut completion: Completion, extra: u64, set_out: Option<u64>) -> Ended {
        let now = self.clock.now();
        let began = *load.began.get_or_insert(now);
        let mut takes = self.knobs.duration(&load.descriptor, &completion).saturating_add(extra);
        let watchdog = self.knobs.watchdog();
        if takes > watchdog {
            takes = watchdog;
            completion = Completion::of(status::WATCHDOG);
        }
        let due = began.saturating_add(takes);
        if now < due {
            return Ended::Later { load, completion, due };
        }
        self.record(&load, &completion);
        let worked = now.saturating_sub(set_out.unwrap_or(now));
        done(&load, Some(completion.status), due.max(began.saturating_add(worked)))
    }

    /// Does the operation, and waits for pages if descriptor and queue say so; `extra` grows by how long.
    fn operate(&self, load: &Load, extra: &mut u64) -> Completion {
        let mut faults = 0;
        loop {
            let run = || execute(&load.descriptor, &*self.iommu, &load.limits);
            // It is not to panic, whatever is asked of it. A device would say that it has failed.
            let completion =
                catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Completion::of(status::HARDWARE_ERROR));
            if completion.status & status::MASK != status::PAGE_FAULT || !waits_for_pages(load) {
                return completion;
            }
            faults += 1;
            if let Err(status) = self.wait_for_page(completion.fault_addr, extra, faults) {
                return Completion { status: status | completion.status & status::WRITE, ..completion };
            }
        }
    }

    /// Lets a page come, in the model's time. What is no page that is missing cannot come.
    fn wait_for_page(&self, addr: u64, extra: &mut u64, faults: u32) -> Result<(), u8> {
        let is_missing = self.iommu.read(addr, 1).is_err_and(|fault| fault.kind == FaultKind::NotPresent);
        if !is_missing || faults > MAX_FAULTS {
            return Err(status::TRANSLATION_FAILURE);
        }
        match self.knobs.fault() {
            Ok(takes) => {
                *extra += takes;
                self.iommu.set_present(addr, true);
                Ok(())
            }
            Err((waited, status)) => {
                *extra += waited;
                Err(status)
            }
        }
    }

    /// Tells how it went: in its record, or in the error register if there is none, and by the bell.
    fn record(&self, load: &Load, completion: &Completion) {
        let descriptor = &load.descriptor;
        let failed = completion.status & status::MASK != status::SUCCESS;
        if descriptor.has(flag::CRAV) && (failed || descriptor.has(flag::RCR)) {
            self.write_record(load, completion);
        } else if failed {
            self.errors.set(completion.status, load.queue as u32, descriptor, completion.fault_addr);
        }
        if let Some(bell) = &load.bell {
            bell.ring();
        }
    }

    fn write_record(&self, load: &Load, completion: &Completion) {
        let addr = load.descriptor.completion_addr;
        let mut written = self.iommu.complete(addr, completion);
        if written.is_err_and(|fault| fault.kind == FaultKind::NotPresent) && waits_for_pages(load) {
            let mut extra = 0; // the rest of the device does not wait for it
            if self.wait_for_page(addr, &mut extra, 1).is_ok() {
                written = self.iommu.complete(addr, completion);
            }
        }
        if let Err(fault) = written {
            self.errors.set(status::COMPLETION_TRANSLATION, load.queue as u32, &load.descriptor, fault.addr);
        }
    }

    /// Flips a bit of what was made, or of the checksum if nothing was.
    fn corrupt(&self, descriptor: &Descriptor, completion: &mut Completion, random: u64) {
        let len = match completion.output_size {
            0 if descriptor.opcode() == opcode::MEMMOVE => completion.bytes_completed,
            size => size,
        };
        if let (Some(at), Ok(mut made)) =
            (random.checked_rem(u64::from(len)), self.iommu.write(descriptor.dst_addr, len as usize))
            && let Some(byte) = made.bytes_mut().get_mut(at as usize)
        {
            *byte ^= 1 << (random >> 61);
        } else {
            completion.crc ^= 1 << (random >> 59);
        }
    }
}

fn done(load: &Load, status: Option<u8>, ended: u64) -> Ended {
    Ended::Done { engine: load.engine, queue: load.queue, status, began: load.began, ended }
}

fn waits_for_pages(load: &Load) -> bool {
    load.limits.block_on_fault && load.descriptor.has(flag::BLOCK_ON_FAULT)
}

/// What is wrong with a descriptor so that no record can tell of it, and the address at fault.
fn unspeakable(descriptor: &Descriptor) -> Option<(u8, u64)> {
    let at = descriptor.completion_addr;
    if descriptor.has(flag::CRAV) && !at.is_multiple_of(32) {
        return Some((status::COMPLETION_ALIGNMENT, at));
    }
    (descriptor.has(flag::RCR) && !descriptor.has(flag::CRAV)).then_some((status::INVALID_FLAGS, 0))
}
