//! A transform that the device runs: its mode, and the settings that were in force when it was made.

use super::driver::{Driver, Patience, Settings, SyncMode};
use super::modes::Mode;
use super::task::{Begun, Message, Task};
use super::trouble::{Ended, Failure, Trouble};
use crate::alg::{self, Call, Direction, Facts, Job, Kind, Params, Transform};
use crate::buffer::{EMPTY, Output, Source};
use crate::status::{Outcome, Status};
use std::collections::VecDeque;
use std::sync::Arc;

/// Most messages of one thread's under way at once if the caller waits (`IAA_CRYPTO_MAX_BATCH_SIZE`).
pub const BATCH: usize = 8;
/// The same if completions are polled for.
pub const BATCH_ASYNC: usize = 64;
/// log2 of the history that the device keeps.
const WINDOW_BITS: u32 = 12;
/// How often an entry is asked for (the kernel's numbers, by mode and direction).
const TRIES_COMPRESS: u32 = 1000;
const TRIES_DECOMPRESS: u32 = 500;
const TRIES_DYNAMIC: u32 = 2000;

/// See the head of this file.
pub struct Form {
    pub driver: Arc<Driver>,
    pub mode: Mode,
    pub settings: Settings,
    /// As compilation found it: what a transform takes does not change under it.
    pub max_transfer: u64,
    name: &'static str,
    /// What does it where the device cannot, and says what is right.
    software: Arc<dyn Transform>,
}

impl Form {
    /// Fails with a usage error for parameters that the device has no use for.
    pub fn new(driver: &Arc<Driver>, mode: Mode, name: &'static str, params: &Params) -> Outcome<Self> {
        params.only(name, &["level", "strategy", "window"])?;
        if params.level.is_some_and(|level| level != 1) {
            return Err(Status::usage(format!("{name} has level 1 only")));
        }
        let strategy = params.strategy.as_deref();
        if strategy.is_some_and(|strategy| mode != Mode::Fixed || strategy != "fixed") {
            return Err(Status::usage(format!("{name} takes no strategy but that of its name")));
        }
        if params.window.is_some_and(|window| window < WINDOW_BITS) {
            return Err(Status::usage(format!("{name} has a window of {} bits", WINDOW_BITS)));
        }
        let software = match mode {
            Mode::Canned | Mode::ByN(_) => alg::compile("deflate-canned", &Params::default()),
            Mode::Fixed => alg::compile("deflate", &Params { strategy: Some("fixed".into()), ..Params::default() }),
            Mode::Dynamic | Mode::Own(_) => alg::compile("deflate", &Params { level: Some(1), ..Params::default() }),
        }?;
        let (settings, max_transfer) = (driver.settings(), driver.max_transfer());
        Ok(Self { driver: Arc::clone(driver), mode, settings, max_transfer, name, software })
    }

    /// The most bytes that so many compress to.
    pub fn bound(&self, len: usize) -> usize {
        // The longest code of a literal has 9 bits, or 11 of the canned ones, or 15 and a header of at most 300 bytes.
        match self.mode {
            Mode::Fixed => len + len / 8 + 16,
            Mode::Canned => len + len / 8 * 3 + 16,
            Mode::Dynamic | Mode::Own(_) => len + len / 8 * 7 + 512,
            Mode::ByN(num) => (len + len / 8 * 3 + 64).next_multiple_of(8) + num as usize * 32,
        }
    }

    pub fn wants_interrupt(&self) -> bool {
        self.settings.sync_mode == SyncMode::AsyncIrq
    }

    /// Without the device.
    pub fn software(
        &self,
        direction: Direction,
        source: &Source,
        output: &mut Output,
        max_output: u64,
    ) -> Outcome<Facts> {
        let call = |source| Call { direction, source, nonce: &[], ad: &EMPTY, tag: &[], max_output };
        match self.mode {
            Mode::ByN(_) => super::by_n_software::run(&*self.software, &call(source), output),
            _ => self.software.run(&call(source), output),
        }
    }

    /// How long somebody waits for something of it that is not on their own thread.
    pub fn patience(&self) -> Patience {
        if self.wants_interrupt() { self.driver.patience_by_time() } else { self.driver.patience() }
    }

    fn tries(&self, direction: Direction) -> u32 {
        match (direction, self.mode) {
            (Direction::Compress, Mode::Dynamic) => TRIES_DYNAMIC,
            (Direction::Compress, _) => TRIES_COMPRESS,
            _ => TRIES_DECOMPRESS,
        }
    }

    /// Begins, or waits for an entry for as long as the kernel would.
    pub fn begin(&self, message: &mut Message<'_>) -> Begun {
        for turn in 0..self.tries(message.direction) {
            match message.begin() {
                Begun::Busy => {
                    let queue = self.driver.next(message.direction);
                    super::queue::pause(turn, queue.is_ok_and(|queue| queue.port.help()));
                }
                begun => return begun,
            }
        }
        Begun::Busy
    }

    /// No entry was to be had.
    pub fn refused(&self, message: &mut Message<'_>) -> Ended {
        if message.direction == Direction::Compress {
            return Err(Trouble::NoDevice.into());
        }
        self.driver.statistics.count_software(message.direction);
        let Message { source, output, max_output, .. } = message;
        self.software(Direction::Decompress, source, output, *max_output).map_err(Failure::Status)
    }

    /// Begins, and waits for as long as its entries are others': they come back, or their device is stuck.
    fn begin_patiently(&self, message: &mut Message<'_>) -> Begun {
        let mut patience = self.driver.patience();
        loop {
            let begun = message.begin();
            if !begun.is_crowded() {
                return begun;
            }
            if patience.is_over() {
                return Begun::Done(Err(Trouble::NoSlot.into()));
            }
            let queue = self.driver.next(message.direction);
            super::queue::pause(patience.looks(), queue.is_ok_and(|queue| queue.port.help()));
        }
    }

    /// One message on this thread, to its end.
    pub fn finish(&self, message: &mut Message<'_>) -> Ended {
        match self.begin_patiently(message) {
            Begun::Done(ended) => ended,
            Begun::Busy => self.refused(message),
            Begun::Going(mut task) => self.wait(&mut task, message),
        }
    }

    /// The same with the kernel's patience: after so many tries for an entry it is refused, or done in software.
    pub fn finish_as_kernel(&self, message: &mut Message<'_>) -> Ended {
        match self.begin(message) {
            Begun::Done(ended) => ended,
            Begun::Busy => self.refused(message),
            Begun::Going(mut task) => self.wait(&mut task, message),
        }
    }

    fn wait(&self, task: &mut Task, message: &mut Message<'_>) -> Ended {
        let mut patience = self.driver.patience();
        loop {
            if let Some(ended) = task.look(message) {
                return ended;
            }
            if let Some(ended) = self.after_look(task, message, &mut patience) {
                return ended;
            }
            super::queue::pause(patience.looks(), task.help());
        }
    }

    /// A look in vain: whether that was the last.
    pub fn after_look(&self, task: &mut Task, message: &mut Message<'_>, patience: &mut Patience) -> Option<Ended> {
        if patience.is_over() {
            return Some(Err(task.give_up(message)));
        }
        if patience.is_checking() && task.is_lost() {
            *patience = self.patience();
            return task.begin_again(message);
        }
        None
    }
}

impl Transform for Form {
    fn kind(&self) -> Kind {
        Kind::Compression
    }

    fn driver(&self, _: Direction) -> &'static str {
        self.name
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        match call.direction {
            Direction::Compress => self.bound(call.source.len()),
            _ => self.software.capacity(call),
        }
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        let Call { direction, source, max_output, .. } = *call;
        let mut message = Message { form: self, direction, source, output, max_output };
        self.finish(&mut message).map_err(Failure::status)
    }

    /// As many at once as the mode allows; each is looked at in turn until all have ended.
    fn run_many(&self, jobs: &mut [Job<'_>]) -> Vec<Outcome<Facts>> {
        let most = if self.settings.sync_mode == SyncMode::Sync { BATCH } else { BATCH_ASYNC };
        let mut results: Vec<Option<Outcome<Facts>>> = jobs.iter().map(|_| None).collect();
        let mut under_way: VecDeque<(usize, Box<Task>, Patience)> = VecDeque::with_capacity(most);
        let mut next = 0;
        let mut turns = 0;
        loop {
            let mut has_moved = false;
            while under_way.len() < most
                && let Some(job) = jobs.get_mut(next)
            {
                let mut message = message_of(self, job);
                let ended = match message.begin() {
                    Begun::Going(task) => {
                        under_way.push_back((next, task, self.driver.patience()));
                        None
                    }
                    begun if begun.is_crowded() && !under_way.is_empty() => break,
                    begun if begun.is_crowded() => Some(self.finish(&mut message)),
                    Begun::Done(ended) => Some(ended),
                    Begun::Busy => None,
                };
                if let Some(slot) = results.get_mut(next) {
                    *slot = ended.map(|ended| ended.map_err(Failure::status));
                }
                next += 1;
                has_moved = true;
            }
            if under_way.is_empty() {
                break;
            }
            for _ in 0..under_way.len() {
                let Some((index, mut task, mut patience)) = under_way.pop_front() else { break };
                let Some(job) = jobs.get_mut(index) else { continue };
                let mut message = message_of(self, job);
                let ended = task.look(&mut message).or_else(|| self.after_look(&mut task, &mut message, &mut patience));
                match ended {
                    Some(ended) => {
                        has_moved = true;
                        if let Some(slot) = results.get_mut(index) {
                            *slot = Some(ended.map_err(Failure::status));
                        }
                    }
                    None => under_way.push_back((index, task, patience)),
                }
            }
            if has_moved {
                turns = 0;
            } else {
                turns += 1;
                let helped = under_way.iter().any(|(_, task, _)| task.help());
                super::queue::pause(turns, helped);
            }
        }
        let missing = || Err(Status::Internal("a message of a batch was forgotten".into()));
        results.into_iter().map(|result| result.unwrap_or_else(missing)).collect()
    }
}

fn message_of<'a>(form: &'a Form, job: &'a mut Job<'_>) -> Message<'a> {
    let Call { direction, source, max_output, .. } = job.call;
    Message { form, direction, source, output: &mut *job.output, max_output }
}
