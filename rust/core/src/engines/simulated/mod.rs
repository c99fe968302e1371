//! An accelerator that does not exist: right results, by the core's own algorithms, with the manners of hardware.
//!
//! It has a queue of so many entries and refuses beyond, one pipe of a certain rate, a latency, and one thread that
//! completes when the time has come, as an interrupt would, or looks for completions now and then, as polling does. It
//! errs, corrupts, loses and overtakes at chosen rates, and dies and revives on demand. So every branch that only
//! asynchronous hardware takes can be taken, and measured, where there is none. `pipe` has the timing, `clock` the time,
//! `character` the knobs.
//!
//! Its work is done when it is due, on the thread that completes it: until then a request is untouched and can be
//! given back. No lock is held while one is completed, given back or refused: that wakes callers and may start others.

use crate::alg::{self, ALGORITHMS, Algorithm, Call, Direction, Facts, Kind, Params, Transform};
use crate::buffer::Output;
use crate::device::Device;
use crate::engine::{Engine, Offer, intern};
use crate::fork;
use crate::request::Request;
use crate::status::{Outcome, Status};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread::JoinHandle;

mod character;

mod pipe;

pub use crate::clock::{Clock, Manual, Real};
use crate::sync::lock_std as lock;
pub use character::{Character, Death};
use pipe::{Fate, Flight, Pipe};

/// Who it says that it is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The engine's name, and the end of its drivers' names: `sha256-simulated`.
    pub name: String,
    pub priority: i32,
    /// What it offers; none for all that the core has.
    pub algorithms: Option<Vec<String>>,
}

impl Default for Identity {
    fn default() -> Self {
        Self { name: "simulated".into(), priority: 50, algorithms: None }
    }
}

/// See the head of this file. Shareable between threads.
pub struct Simulated {
    identity: Identity,
    board: Arc<Board>,
    /// The process that it runs in, once it does.
    generation: OnceLock<u64>,
}

/// What the device's thread shares with those who submit.
struct Board {
    name: &'static str,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    character: Character,
    pipe: Pipe<Request>,
    /// Those whose completion never comes. They take up no entry: only the notice of them was lost.
    lost: Vec<Request>,
    death: Option<Death>,
    /// Somebody completes what is due; one at a time, to keep the order.
    is_reaping: bool,
    is_stopping: bool,
    thread: Option<JoinHandle<()>>,
    device: Weak<Device>,
}

impl State {
    /// When to look for completions next.
    fn next_look(&self) -> u64 {
        if self.death.is_some() || self.is_reaping {
            return u64::MAX;
        }
        let due = self.pipe.next_due(self.character.window);
        due.map_or(u64::MAX, |due| self.character.seen_at(due))
    }

    /// Everything in its hands.
    fn empty(&mut self) -> Vec<Request> {
        let mut all = self.pipe.clear();
        all.append(&mut self.lost);
        all
    }
}

/// What became of a request that was offered.
enum Offered {
    Taken,
    Full(Request),
    /// The device is dead, and says so.
    Gone(Request),
}

impl Board {
    /// Completes what is due.
    fn reap(&self) {
        let mut state = lock(&self.state);
        if state.is_reaping {
            return;
        }
        state.is_reaping = true;
        while state.death.is_none() && !state.is_stopping {
            let window = state.character.window;
            let Some(flight) = state.pipe.take_due(self.clock.now(), window) else { break };
            if flight.fate == Fate::Lost {
                state.lost.push(flight.load);
                continue;
            }
            drop(state);
            // Units catch their own panics. Should anything around them panic, the request is dropped, which ends it.
            let _ = catch_unwind(AssertUnwindSafe(|| self.finish(flight)));
            state = lock(&self.state);
        }
        state.is_reaping = false;
    }

    fn finish(&self, flight: Flight<Request>) {
        let Flight { load: mut request, start, fate, .. } = flight;
        if let Some(status @ Status::Cancelled) = request.must_not_start() {
            return request.fail(status);
        }
        if fate == Fate::Failed {
            return request.fail(Status::Engine { engine: self.name.into(), what: "failed, as it was told to".into() });
        }
        let (mut results, _) = request.execute();
        if fate == Fate::Corrupt {
            let byte = results.iter_mut().flatten().find_map(|(output, _)| output.as_mut_slice().first_mut());
            if let Some(byte) = byte {
                *byte ^= 1;
            }
        }
        let mut next = request.go_on(results, self.clock.instant(start));
        while let Some(mut stage) = next {
            let (results, started) = stage.execute();
            next = stage.go_on(results, started);
        }
    }

    /// The device's own thread.
    fn work(&self) {
        loop {
            let until = {
                let state = lock(&self.state);
                if state.is_stopping {
                    return;
                }
                state.next_look()
            };
            if until <= self.clock.now() { self.reap() } else { self.clock.sleep(until) }
        }
    }

    fn enter(&self, request: Request) -> Offered {
        let bytes = size(&request);
        let mut state = lock(&self.state);
        if state.death.is_some_and(|death| death != Death::Silent) {
            return Offered::Gone(request);
        }
        if state.pipe.len() >= state.character.depth {
            return Offered::Full(request);
        }
        let before = state.next_look();
        let now = self.clock.now();
        let State { pipe, character, .. } = &mut *state;
        pipe.enter(request, bytes, now, character);
        let is_earlier = state.next_look() < before;
        drop(state);
        if is_earlier {
            self.clock.ring();
        }
        Offered::Taken
    }
}

/// The bytes that a request moves: those that it reads, or, if there are none, those that it may write.
fn size(request: &Request) -> u64 {
    match request.units.iter().map(|unit| unit.len() as u64).sum() {
        0 => request.bytes as u64,
        read => read,
    }
}

impl Simulated {
    /// Fails with a usage error if it is to offer something that the core does not have. Its thread starts with the
    /// first request.
    pub fn new(identity: Identity, character: Character, seed: u64, clock: Arc<dyn Clock>) -> Outcome<Self> {
        if let Some(strange) = identity.algorithms.iter().flatten().find(|name| alg::find(name).is_none()) {
            return Err(alg::unknown(strange));
        }
        let state = State {
            character,
            pipe: Pipe::new(seed),
            lost: Vec::new(),
            death: None,
            is_reaping: false,
            is_stopping: false,
            thread: None,
            device: Weak::new(),
        };
        let board = Arc::new(Board { name: intern(&identity.name), clock, state: Mutex::new(state) });
        Ok(Self { identity, board, generation: OnceLock::new() })
    }

    /// Requests in its hands: on their way, and lost ones.
    pub fn in_hands(&self) -> usize {
        let state = lock(&self.board.state);
        state.pipe.len() + state.lost.len()
    }

    /// Dies. What it has is given back at once (`Dropped`) or held until it is revived or closed.
    pub fn kill(&self, death: Death) {
        let device = {
            let mut state = lock(&self.board.state);
            state.death = Some(death);
            state.device.upgrade()
        };
        if death == Death::Silent {
            return;
        }
        // First: who learns of the loss must find the device broken.
        if let Some(device) = device {
            device.break_down();
        }
        self.abort();
    }

    /// Whether it may run here: a forked child has none of its threads, and its locks may be held for ever.
    fn is_ours(&self) -> bool {
        self.generation.get().is_none_or(|generation| *generation == fork::generation())
    }

    /// Starts the device's thread, unless it runs; false if there is none to be had.
    fn is_running(&self, device: &Arc<Device>) -> bool {
        let mut state = lock(&self.board.state);
        if state.thread.is_none() {
            let board = Arc::clone(&self.board);
            let builder = std::thread::Builder::new().name(format!("{}/device", self.identity.name));
            match builder.spawn(move || board.work()) {
                Ok(thread) => state.thread = Some(thread),
                Err(_) => return false,
            }
        }
        state.device = Arc::downgrade(device);
        true
    }

    fn take(&self, burst: &mut VecDeque<Request>, device: &Device) {
        let (most, setup, polls) = {
            let state = lock(&self.board.state);
            let character = &state.character;
            let most = if character.accept == 0 { usize::MAX } else { character.accept };
            (most, character.submit_ns(), character.poll_us > 0.0)
        };
        let mut taken = 0;
        while taken < most {
            let Some(request) = burst.pop_front() else { break };
            if let Some(status) = request.must_not_start() {
                request.fail(status);
                continue;
            }
            if setup > 0 {
                self.board.clock.spend(setup);
            }
            match self.board.enter(request) {
                Offered::Taken => taken += 1,
                Offered::Full(request) => {
                    burst.push_front(request);
                    break;
                }
                Offered::Gone(request) => {
                    burst.push_front(request);
                    device.break_down(); // it may have died before it had a device to tell
                    return;
                }
            }
        }
        if polls {
            // As drivers do: who brings work looks what has come back.
            self.board.reap();
            self.board.clock.ring();
        }
    }
}

impl Engine for Simulated {
    fn name(&self) -> &str {
        &self.identity.name
    }

    fn offers(&self) -> Vec<Offer> {
        let Identity { name, priority, algorithms } = &self.identity;
        let has = |a: &&Algorithm| algorithms.as_ref().is_none_or(|names| names.iter().any(|name| name == a.name));
        // As other drivers are called, so that they may stand inside names: `cbc-aes-simulated`.
        let driver = |a: &Algorithm| a.name.trim_end_matches(')').replace(['(', ')', ','], "-");
        let offer = |a: &Algorithm| Offer::of(a, format!("{}-{name}", driver(a)), *priority);
        ALGORITHMS.iter().copied().flatten().filter(has).map(offer).collect()
    }

    fn compile(&self, offer: &Offer, params: &Params) -> Outcome<Arc<dyn Transform>> {
        let inner = alg::compile(&offer.algorithm, params)?;
        Ok(Arc::new(Named { driver: intern(&offer.driver), inner }))
    }

    fn runs_inline(&self) -> bool {
        false
    }

    fn runs_steps(&self) -> bool {
        false // a stream's state is the host's own, and what this device loses could not be done again
    }

    fn submit(&self, burst: &mut VecDeque<Request>) {
        let Some(device) = burst.front().map(|request| Arc::clone(request.device())) else { return };
        let generation = *self.generation.get_or_init(fork::generation);
        if generation == fork::generation() && self.is_running(&device) {
            self.take(burst, &device);
        } else {
            device.break_down();
        }
    }

    fn may_lose(&self) -> bool {
        true
    }

    fn chains(&self) -> bool {
        lock(&self.board.state).character.chain
    }

    fn completes_later(&self) -> bool {
        true
    }

    fn parallel(&self, _workers: usize) -> usize {
        1
    }

    /// Gives back everything, unless its death is one that holds.
    fn abort(&self) {
        let all = {
            let mut state = lock(&self.board.state);
            if matches!(state.death, Some(Death::Silent | Death::Held)) { Vec::new() } else { state.empty() }
        };
        drop(all);
    }

    fn health(&self) -> Outcome<()> {
        match lock(&self.board.state).death {
            None => Ok(()),
            Some(death) => Err(Status::Engine { engine: self.identity.name.clone(), what: death.told().into() }),
        }
    }

    /// Lives again, and lets go of what it held.
    fn revive(&self) -> Outcome<()> {
        let held = {
            let mut state = lock(&self.board.state);
            match state.death.take() {
                Some(_) => state.empty(),
                None => std::mem::take(&mut state.lost),
            }
        };
        self.board.clock.ring();
        drop(held);
        Ok(())
    }

    /// Turns a knob of its [`Character`], or kills it: `kill` takes the place of a death in [`Death::ALL`].
    fn tune(&self, knob: &str, value: f64) -> Outcome<()> {
        if knob == "kill" {
            let death = Death::ALL.iter().enumerate().find(|(place, _)| *place as f64 == value);
            let Some((_, &death)) = death else {
                return Err(Status::usage(format!("kill is {value}; it must be from 0 to {}", Death::ALL.len() - 1)));
            };
            self.kill(death);
            return Ok(());
        }
        lock(&self.board.state).character.set(knob, value)?;
        self.board.clock.ring(); // what is next to come may have changed
        Ok(())
    }

    fn close(&self) {
        if !self.is_ours() {
            return;
        }
        let thread = {
            let mut state = lock(&self.board.state);
            state.is_stopping = state.thread.is_some();
            state.thread.take()
        };
        if let Some(thread) = thread {
            self.board.clock.ring();
            // Its own thread may drop the last reference to the engine; it ends by itself then.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join(); // it cannot panic: it catches those of what it runs
                lock(&self.board.state).is_stopping = false;
            }
        }
        let held = lock(&self.board.state).empty();
        drop(held);
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.close();
    }
}

/// The core's algorithm under this device's driver name.
struct Named {
    driver: &'static str,
    inner: Arc<dyn Transform>,
}

impl Transform for Named {
    fn kind(&self) -> Kind {
        self.inner.kind()
    }
    fn driver(&self, _direction: Direction) -> &'static str {
        self.driver
    }
    fn check(&self, call: &Call<'_>) -> Outcome<()> {
        self.inner.check(call)
    }
    fn capacity(&self, call: &Call<'_>) -> usize {
        self.inner.capacity(call)
    }
    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        self.inner.run(call, output)
    }
    fn recipe(&self) -> Option<(&'static str, &Params)> {
        self.inner.recipe()
    }
    fn public_key(&self) -> Option<Vec<u8>> {
        self.inner.public_key()
    }
}
