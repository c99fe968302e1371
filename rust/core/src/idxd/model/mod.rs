//! A device that does not exist: what a driver finds behind its portals, in software.
//!
//! Descriptors go into queues by 64-byte stores, engines take them by their queues' priorities and do them, and records
//! come back, all as with hardware; beyond that it fails in every way that hardware may, on demand. `work` is a queue,
//! `group` the engines that serve it, `arbiter` whose turn it is, `board` what is done for one descriptor, `threads` and
//! `bell` who does it, `knobs` and `inject` its speed and its faults.
//!
//! Rules of configuration and their codes are for those who configure it: here is refused only what would break it.

mod arbiter;
mod bell;
mod board;
mod config;
mod errors;
mod group;
mod handle;
mod inject;
mod knobs;
mod statistics;
#[cfg(test)]
mod tests;
mod threads;
mod work;

pub use config::{Capabilities, QueueConfig};
pub use errors::SoftwareError;
pub use inject::{Harm, Injection};
pub use knobs::Knobs;
pub use statistics::{EngineStatistics, QueueStatistics, Statistics};

use super::operation::Limits;
use super::port::{Queue, QueueInfo};
use super::space::Iommu;
use crate::clock::{Clock, Real};
use crate::status::{Outcome, Status};
use crate::sync::lock_std as lock;
use board::Board;
use config::within;
use handle::Handle;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use threads::Threads;
use work::Work;

/// How long a queue that is disabled may finish what it has.
const DRAIN: Duration = Duration::from_secs(2);

/// How a device dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// It halts, and says so; what it had is gone.
    Dropped,
    /// It halts and does not say so.
    Silent,
    /// It halts, and says so; what it had is done when it lives again.
    Held,
}

impl Death {
    pub const ALL: [(&'static str, Self); 3] =
        [("dropped", Self::Dropped), ("silent", Self::Silent), ("held", Self::Held)];
}

/// See the head of this file. Shareable between threads; closed when dropped, and its queues take nothing then.
pub struct Device {
    board: Arc<Board>,
    threads: Threads,
    setup: Mutex<Setup>,
}

struct Setup {
    is_enabled: bool,
    /// The group of each engine.
    engines: Vec<Option<usize>>,
}

impl Device {
    /// Disabled, all engines in group 0.
    ///
    /// # Errors
    /// A usage error that names what is out of its limits.
    pub fn new(capabilities: Capabilities) -> Outcome<Self> {
        Self::with_clock(capabilities, Arc::new(Real::default()))
    }

    /// The same with a time of its own.
    pub fn with_clock(capabilities: Capabilities, clock: Arc<dyn Clock>) -> Outcome<Self> {
        capabilities.check()?;
        let engines = vec![Some(0); capabilities.engines];
        let setup = Mutex::new(Setup { is_enabled: false, engines });
        Ok(Self { board: Arc::new(Board::new(capabilities, clock)), threads: Threads::default(), setup })
    }

    pub fn capabilities(&self) -> &Capabilities {
        &self.board.capabilities
    }

    /// What its descriptors may reach.
    pub fn iommu(&self) -> &Arc<Iommu> {
        &self.board.iommu
    }

    pub fn knobs(&self) -> &Knobs {
        &self.board.knobs
    }

    pub fn is_enabled(&self) -> bool {
        lock(&self.setup).is_enabled
    }

    /// Whether it halted and says so.
    pub fn is_halted(&self) -> bool {
        self.board.is_halted.load(Ordering::Acquire)
    }

    /// Puts an engine into a group, or into none.
    ///
    /// # Errors
    /// A usage error if there is no such engine or group, or if the device is enabled.
    pub fn assign_engine(&self, engine: usize, group: Option<usize>) -> Outcome<()> {
        within("engine", engine, 0, self.capabilities().engines - 1)?;
        within("group", group.unwrap_or(0), 0, self.capabilities().groups - 1)?;
        let mut setup = lock(&self.setup);
        if setup.is_enabled {
            return Err(self.refusal("is enabled; engines are assigned before"));
        }
        if let Some(place) = setup.engines.get_mut(engine) {
            *place = group;
        }
        Ok(())
    }

    /// Starts it, with no queues yet.
    ///
    /// # Errors
    /// A usage error if it is enabled; an engine error if the system has no more threads.
    pub fn enable(&self) -> Outcome<()> {
        let mut setup = lock(&self.setup);
        if setup.is_enabled {
            return Err(self.refusal("is enabled already"));
        }
        if !self.board.is_ours() {
            return Err(Status::Closed("the device belongs to a parent process"));
        }
        for (number, group) in self.board.groups.iter().enumerate() {
            let engines = setup.engines.iter().enumerate();
            group.set_engines(engines.filter(|(_, of)| **of == Some(number)).map(|(engine, _)| engine));
        }
        self.set_halted(false, false);
        if let Err(error) = self.threads.start(&self.board) {
            self.threads.stop(&self.board);
            let engine = self.capabilities().name.clone();
            return Err(Status::Engine { engine, what: format!("could not start its threads: {error}") });
        }
        setup.is_enabled = true;
        Ok(())
    }

    /// Disables its queues as [`disable_queue`](Self::disable_queue) does, then stops it.
    pub fn disable(&self) {
        self.end(false);
    }

    /// Drops all that is in flight, disables its queues and itself. When this returns, nothing of what was asked of it
    /// before will be written anywhere. Works on dead and stuck devices, and is their way back.
    pub fn reset(&self) {
        self.end(true);
        self.board.errors.take();
    }

    fn end(&self, abort: bool) {
        if !self.board.is_ours() {
            return;
        }
        for work in self.board.works() {
            let _ = self.disable_queue(work.info.queue_id as usize, abort);
        }
        let mut setup = lock(&self.setup);
        setup.is_enabled = false;
        self.threads.stop(&self.board);
    }

    /// Makes a queue of a disabled one.
    ///
    /// # Errors
    /// A usage error if the device is not enabled, the queue is, its group has no engine, or a value is out of its limits.
    pub fn enable_queue(&self, index: usize, config: QueueConfig) -> Outcome<Arc<dyn Queue>> {
        let capabilities = self.capabilities();
        within("queue", index, 0, capabilities.work_queues - 1)?;
        let setup = lock(&self.setup);
        if !setup.is_enabled || self.is_halted() {
            return Err(self.refusal("is not enabled"));
        }
        let mut works = lock(&self.board.works);
        let taken: usize = works.iter().flatten().map(|work| work.config.size).sum();
        config.check(capabilities, capabilities.max_work_queues_size - taken)?;
        let group = self.board.groups.get(config.group).filter(|group| group.has_engines());
        let group = group.ok_or_else(|| self.refusal(&format!("has no engine in group {}", config.group)))?;
        let place = works.get_mut(index).filter(|place| place.is_none());
        let place = place.ok_or_else(|| self.refusal(&format!("has queue {index} enabled already")))?;
        let max_transfer = if config.max_transfer == 0 { capabilities.max_transfer } else { config.max_transfer };
        let limits = Limits {
            max_transfer,
            header_gen: capabilities.header_gen,
            aecs_format2: capabilities.state_len > 1088,
            block_on_fault: config.block_on_fault && capabilities.block_on_fault,
        };
        let info = QueueInfo {
            device: capabilities.name.clone(),
            device_id: capabilities.id,
            queue: format!("wq{}.{index}", capabilities.id),
            queue_id: index as u32,
            name: config.name.clone(),
            mode: config.mode,
            size: config.size,
            node: capabilities.node,
            pasid: config.pasid,
            abilities: capabilities.abilities(max_transfer),
        };
        let what = |error| Status::Engine { engine: capabilities.name.clone(), what: format!("no portal: {error}") };
        let work = Arc::new(Work::new(info, config, limits).map_err(what)?);
        *place = Some(Arc::clone(&work));
        group.add(Arc::clone(&work));
        self.tell_threads();
        Ok(Arc::new(Handle { work, board: Arc::clone(&self.board) }))
    }

    /// Takes no more stores, waits until what the queue has is done, or drops it (as it does if the device is dead, and
    /// with what is stuck), and disables it. When this returns, nothing of it will be written anywhere.
    ///
    /// # Errors
    /// A usage error if that queue is not enabled.
    pub fn disable_queue(&self, index: usize, abort: bool) -> Outcome<()> {
        if !self.board.is_ours() {
            return Err(Status::Closed("the device belongs to a parent process"));
        }
        let work = lock(&self.board.works).get(index).and_then(Clone::clone);
        let work = work.ok_or_else(|| self.refusal(&format!("has no queue {index} that is enabled")))?;
        work.disable();
        let group = self.board.groups.get(work.config.group);
        let group = group.ok_or_else(|| self.refusal("has lost a group"))?;
        let until = Instant::now() + DRAIN;
        while !abort && !group.is_done(index) && Instant::now() < until {
            if !self.board.serve_one(group) {
                std::thread::yield_now();
            }
        }
        group.abort(index);
        // Two may disable it at once; one of them takes it out.
        let mut works = lock(&self.board.works);
        if let Some(place) = works.get_mut(index)
            && place.as_ref().is_some_and(|found| Arc::ptr_eq(found, &work))
        {
            *place = None;
            group.remove(index);
        }
        drop(works);
        self.tell_threads();
        Ok(())
    }

    fn tell_threads(&self) {
        self.board.version.fetch_add(1, Ordering::SeqCst);
        self.board.bell.ring_all();
    }

    /// Dies. When this returns nothing is written any more, until it lives again.
    pub fn kill(&self, death: Death) {
        if !self.board.is_ours() {
            return;
        }
        self.set_halted(true, death != Death::Silent);
        if death == Death::Dropped {
            for work in self.board.works() {
                if let Some(group) = self.board.groups.get(work.config.group) {
                    group.abort(work.info.queue_id as usize);
                }
            }
        }
        if death != Death::Silent {
            // Last: what was stored before this has met the halted device, or will be done.
            self.board.deaths.fetch_add(1, Ordering::Release);
        }
    }

    /// Lives again, its queues as they were; what was held is done now.
    pub fn revive(&self) {
        if self.board.is_ours() {
            self.set_halted(false, false);
            // After the queues are open: what was stored before met the dead device, and whoever stored it sees this.
            self.board.deaths.fetch_add(1, Ordering::Release);
            self.board.bell.ring_all();
        }
    }

    fn set_halted(&self, is_halted: bool, is_told: bool) {
        self.board.is_halted.store(is_told, Ordering::SeqCst);
        for work in self.board.works() {
            work.open(!is_halted);
        }
        self.board.groups.iter().for_each(|group| group.halt(is_halted));
    }

    /// Adds harm to what is done to descriptors.
    ///
    /// # Errors
    /// A usage error if its chance is none.
    pub fn inject(&self, injection: Injection) -> Outcome<()> {
        self.board.injector.add(injection)
    }

    /// No more harm; the seed is for what is added next.
    pub fn calm(&self, seed: u64) {
        self.board.injector.clear(seed);
    }

    /// The first error since the last call that no record could tell.
    pub fn take_error(&self) -> Option<SoftwareError> {
        self.board.errors.take()
    }

    pub fn statistics(&self) -> Statistics {
        let mut statistics = Statistics::default();
        if self.board.is_ours() {
            self.board.groups.iter().for_each(|group| group.count(&mut statistics));
            statistics.queues.sort_by_key(|queue| queue.queue_id);
            statistics.engines.sort_by_key(|engine| engine.engine);
        }
        statistics
    }

    fn refusal(&self, what: &str) -> Status {
        Status::usage(format!("device {} {what}", self.capabilities().name))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.reset();
    }
}
