//! Intel's analytics accelerator: the driver, as Linux's iaa_crypto is one, for user space.
//!
//! `driver` knows the queues and the settings, `table` which queue a CPU uses next, `queue` sends a descriptor and finds
//! its completion, `task` is one message on its way, `form` a transform, `later` what completes later. Whether a queue is
//! the hardware's or the model's (`crate::idxd`) is not known anywhere here.

use crate::alg::{Algorithm, Kind, Params, Transform};
use crate::engine::{Engine, Limits, Offer, intern};
use crate::fork;
use crate::request::{Request, Work};
use crate::status::{Outcome, Status};
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub mod by_n;
mod by_n_software;
pub mod driver;
pub mod form;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod hostile;
pub mod later;
pub mod modes;
mod part;
pub mod queue;
pub mod statistics;
pub mod table;
pub mod task;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
pub mod trouble;

use driver::{Driver, SyncMode};
use form::Form;
use later::{Later, form_of, is_later};
use modes::{CANNED_NAME, DYNAMIC_NAME, FIXED_NAME, Mode};

/// The kernel's: more than any software's.
pub const PRIORITY: i32 = 300;
pub const PRIORITY_DYNAMIC: i32 = 301;
/// Whoever adds codes of their own asks for them by name.
pub const PRIORITY_OWN: i32 = 50;
/// The numbers of parts that have an offer of their own; the driver takes any from 1 to 64.
pub const OFFERED_PARTS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Milliseconds for which a device may be waited for at most.
pub const MOST_PATIENCE_MS: f64 = 600_000.0;

/// See the head of this file. Shareable between threads.
pub struct Iaa {
    pub driver: Arc<Driver>,
    later: Arc<Later>,
    /// The process that it runs in, once it does.
    generation: OnceLock<u64>,
}

impl Iaa {
    pub fn new(driver: Arc<Driver>) -> Self {
        let later = Later::new(Arc::clone(&driver));
        Self { driver, later, generation: OnceLock::new() }
    }

    /// Whether it may run here: a forked child has none of its threads, and its locks may be held for ever.
    fn is_ours(&self) -> bool {
        *self.generation.get_or_init(fork::generation) == fork::generation()
    }
}

/// A mode, the algorithm that it is a way of, its driver and what it bids.
pub fn modes() -> Vec<(Mode, String, String, i32)> {
    let plain = [
        (Mode::Fixed, "deflate", "deflate-iaa", PRIORITY),
        (Mode::Dynamic, "deflate", "deflate-iaa-dynamic", PRIORITY_DYNAMIC),
        (Mode::Canned, "deflate-canned", "deflate-iaa-canned", PRIORITY),
    ];
    let parts = OFFERED_PARTS.into_iter().filter_map(|num| {
        let (algorithm, driver) = by_n::names(num as usize).ok()?;
        Some((Mode::ByN(num), algorithm, driver, PRIORITY))
    });
    plain.into_iter().map(|(mode, name, driver, bid)| (mode, name.into(), driver.into(), bid)).chain(parts).collect()
}

/// The mode of a driver's name, if the driver has it; of any number of parts.
pub fn mode_of(driver: &Driver, name: &str) -> Option<Mode> {
    let own = || driver.modes().into_iter().map(Mode::Own).find(|mode| own_name(*mode).is_some_and(|own| own == name));
    let known = modes().into_iter().find(|(_, _, known, _)| known == name).map(|(mode, ..)| mode);
    let parts = || {
        let digits = name.strip_prefix("deflate-iaa-canned-by_")?;
        // Signs and leading zeros would give one driver many names.
        let num: u32 = digits.parse().ok().filter(|num: &u32| num.to_string() == digits)?;
        by_n::check(u64::from(num)).ok().map(|_| Mode::ByN(num))
    };
    known.or_else(parts).or_else(own).filter(|mode| driver.has_mode(*mode))
}

/// The driver's name of a mode of somebody's own.
fn own_name(mode: Mode) -> Option<String> {
    match mode {
        Mode::Own(name) if ![FIXED_NAME, DYNAMIC_NAME, CANNED_NAME].contains(&name) => {
            Some(format!("deflate-iaa-{name}"))
        }
        _ => None,
    }
}

impl Engine for Iaa {
    fn name(&self) -> &str {
        "iaa"
    }

    /// Nothing before the first queue is bound; from then on all, whatever becomes of the queues.
    fn offers(&self) -> Vec<Offer> {
        if !self.driver.is_registered() {
            return Vec::new();
        }
        let has_header_gen = self.driver.has_header_gen();
        let max_bytes = self.driver.max_transfer();
        let is_there = |mode: &Mode| self.driver.has_mode(*mode) && (*mode != Mode::Dynamic || has_header_gen);
        let own = self
            .driver
            .modes()
            .into_iter()
            .map(Mode::Own)
            .filter_map(|mode| own_name(mode).map(|name| (mode, "deflate".to_owned(), name, PRIORITY_OWN)));
        let offer = |(_, name, driver, priority): (Mode, String, String, i32)| {
            let algorithm = Algorithm {
                name: intern(&name),
                kind: Kind::Compression,
                driver: intern(&driver),
                library: "iaa",
                insecure: false,
                compile: |_| Err(Status::Internal("compiled by its engine".into())),
            };
            let limits = Limits { max_bytes, ..Limits::default() };
            Offer { limits, ..Offer::of(&algorithm, driver, priority) }
        };
        modes().into_iter().chain(own).filter(|(mode, ..)| is_there(mode)).map(offer).collect()
    }

    fn compile(&self, offer: &Offer, params: &Params) -> Outcome<Arc<dyn Transform>> {
        let missing = || Status::usage(format!("iaa has no driver called {:?}", offer.driver));
        let mode = mode_of(&self.driver, &offer.driver).ok_or_else(missing)?;
        Ok(Arc::new(Form::new(&self.driver, mode, intern(&offer.driver), params)?))
    }

    /// In `sync` mode the caller's thread waits, as in the kernel.
    fn runs_inline(&self) -> bool {
        self.driver.settings().sync_mode == SyncMode::Sync
    }

    fn runs_steps(&self) -> bool {
        false // a stream's state is the host's own
    }

    fn completes_later(&self) -> bool {
        !self.runs_inline()
    }

    fn parallel(&self, workers: usize) -> usize {
        workers.max(form::BATCH)
    }

    fn submit(&self, burst: &mut VecDeque<Request>) {
        if !self.is_ours() {
            if let Some(device) = burst.front().map(|request| Arc::clone(request.device())) {
                device.break_down();
            }
            return;
        }
        let most = self.driver.entries().max(1);
        while let Some(request) = burst.pop_front() {
            if let Some(status) = request.must_not_start() {
                request.fail(status);
                continue;
            }
            let transform = request.place.transform().map(Arc::clone);
            let form = transform.as_ref().and_then(|transform| form_of(&**transform));
            match form {
                Some(form) if is_later(form) && matches!(request.work, Work::Transform { .. }) => {
                    if self.later.num() >= most {
                        burst.push_front(request);
                        return;
                    }
                    let polls = form.settings.sync_mode == SyncMode::Async || !self.driver.has_interrupts();
                    self.later.take(request, polls);
                }
                _ => request.run(),
            }
        }
    }

    fn abort(&self) {
        self.later.abort();
    }

    fn poll(&self) {
        self.later.look_all();
    }

    fn health(&self) -> Outcome<()> {
        let told = |what: String| Err(Status::Engine { engine: "iaa".into(), what });
        match (self.driver.is_enabled(), self.driver.trouble()) {
            (true, _) => Ok(()),
            (false, Some(trouble)) => told(trouble.into()),
            (false, None) => told("no work queue is enabled".into()),
        }
    }

    /// Takes up what answers again.
    fn revive(&self) -> Outcome<()> {
        self.driver.revive();
        self.health()
    }

    /// `poll_limit`: looks in vain until a device counts as stuck; `poll_ms`: and milliseconds that must have passed.
    fn tune(&self, knob: &str, value: f64) -> Outcome<()> {
        let patience = self.driver.patience_settings();
        let within = |least: f64, most: f64| match (least..=most).contains(&value) {
            true => Ok(value),
            false => Err(Status::usage(format!("{knob} is {value}; it must be from {least} to {most}"))),
        };
        match knob {
            "poll_limit" => self.driver.set_patience(within(1.0, f64::from(u32::MAX))? as u32, patience.1),
            "poll_ms" => {
                self.driver
                    .set_patience(patience.0, Duration::from_micros((within(0.0, MOST_PATIENCE_MS)? * 1e3) as u64));
            }
            _ => return Err(Status::usage(format!("no knob is called {knob:?}; there are poll_limit, poll_ms"))),
        }
        Ok(())
    }

    fn close(&self) {
        if self.is_ours() {
            self.later.close();
        }
    }
}

impl Drop for Iaa {
    fn drop(&mut self) {
        self.close();
    }
}
