//! Short operations of an event loop that are put off for a moment, to be run together.
//!
//! Programs start many operations and then await them: one task a list of them, or many tasks one each. Where a device
//! has lanes that pays, if they travel together. So an operation that would run at once, and for which company is
//! expected ([`Company`](acrypto_core::cost::Company)), waits in a list of its layer's until
//!
//! - somebody asks for a result, and no more are expected in this turn of the loop;
//! - or [`MOST`] are there, or the first has waited for the layer's setting `gather_us` when another comes;
//! - or the loop comes to its next turn.
//!
//! Then all are run on the thread that found that, which blocks for less than it would have with each run at once.
//! Rejected: leaving them to a worker; the way there and back costs more than the work.

use crate::operation::Operation;
use crate::port::{Ports, lock};
use acrypto_core::alg::Direction;
use acrypto_core::cost::Rivalry;
use acrypto_core::fork;
use acrypto_core::layer::{Bound as Recipe, Chosen, Gathered, Layer, Place};
use acrypto_core::operation::{Hold, Settled};
use pyo3::prelude::*;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// More are not put off: they fill the lanes of any engine several times.
pub const MOST: usize = 64;
/// After so many each it is looked how long they wait.
const CLOCKED: usize = 4;
/// What a task costs that is put to sleep and woken, which who waits for the loop's next turn pays.
pub const TURN_NS: u64 = 2_000;

/// One operation that was put off.
pub struct Member {
    pub operation: Py<Operation>,
    pub hold: Hold,
    pub work: Gathered,
}

#[derive(Default)]
struct List {
    members: Vec<Member>,
    since: Option<Instant>,
    /// Addresses of the loops that will look here in their next turn.
    loops: Vec<usize>,
}

/// See the head of this file. Shareable between threads.
#[derive(Default)]
pub struct Gathering {
    list: Mutex<List>,
    /// How many there are, without the lock.
    num: AtomicUsize,
}

/// Messages of one kind that this thread has submitted since it last awaited one.
#[derive(Default)]
struct Run {
    num: u32,
    kind: Option<Arc<Rivalry>>,
    /// Where the last of them went.
    choice: Option<Choice>,
}

/// Where messages of a burst go: they are to travel together. Holds nothing: who leaves must not wait for this.
struct Choice {
    bound: Weak<Recipe>,
    direction: Direction,
    /// Of sizes whose logarithms are the same.
    size: u32,
    place: Weak<Place>,
    reason: &'static str,
}

/// Where the last message of this burst went, if it was one like this.
pub fn same_as_last(bound: &Arc<Recipe>, direction: Direction, bytes: usize) -> Option<Chosen> {
    RUN.with_borrow(|run| {
        let last = run.choice.as_ref().filter(|_| run.num > 1)?;
        let is_alike = std::ptr::eq(last.bound.as_ptr(), Arc::as_ptr(bound))
            && last.direction == direction
            && last.size == bytes.leading_zeros();
        let place = is_alike.then(|| last.place.upgrade()).flatten()?;
        // Sizes that are alike may lie on both sides of a limit; and what is queued counts for the next choice.
        let device = &place.device;
        let takes = device.is_usable() && device.may_trickle() && place.limits.takes(direction, bytes);
        (takes && device.engine.runs_inline()).then_some(())?;
        Some(Chosen { place, reason: last.reason, runs_here: false })
    })
}

/// Remembers where a message went.
pub fn remember(bound: &Arc<Recipe>, direction: Direction, bytes: usize, chosen: &Chosen) {
    let (place, reason, bound) = (Arc::downgrade(&chosen.place), chosen.reason, Arc::downgrade(bound));
    let choice = Choice { bound, direction, size: bytes.leading_zeros(), place, reason };
    RUN.with_borrow_mut(|run| run.choice = Some(choice));
}

thread_local! {
    static RUN: RefCell<Run> = RefCell::default();
}

/// Counts a message that an event loop's thread has submitted.
pub fn count_submitted(kind: &Arc<Rivalry>) {
    RUN.with_borrow_mut(|run| {
        if run.kind.as_ref().is_some_and(|known| Arc::ptr_eq(known, kind)) {
            run.num += 1;
            return;
        }
        // One that was awaited is told already.
        if let Some(before) = run.kind.replace(Arc::clone(kind)).filter(|_| run.num > 0) {
            before.company.note_burst(run.num);
        }
        run.num = 1;
    });
}

/// This thread awaits an operation: what it submits from now on is another burst.
pub fn end_burst() {
    RUN.with_borrow_mut(|run| {
        if run.num > 0
            && let Some(kind) = &run.kind
        {
            kind.company.note_burst(run.num);
            run.num = 0;
        }
    });
}

impl Gathering {
    pub fn len(&self) -> usize {
        self.num.load(Ordering::Acquire)
    }

    /// Puts an operation off. Whether all are to be run now.
    pub fn enter(
        &self,
        ports: &Arc<Ports>,
        event_loop: &Bound<'_, PyAny>,
        member: Member,
        most: Duration,
    ) -> PyResult<bool> {
        let address = event_loop.as_ptr() as usize;
        let mut list = lock(&self.list);
        let is_first = !list.loops.contains(&address);
        if is_first {
            list.loops.push(address); // first: whoever calls at once, or drops what it was told to call, takes it out
            drop(list); // Python code runs here; nobody else runs this loop
            let turn = Turn::new(ports, address);
            let call_soon = |turn| event_loop.call_method1(pyo3::intern!(event_loop.py(), "call_soon"), (turn,));
            let scheduled = Bound::new(event_loop.py(), turn).and_then(call_soon);
            list = lock(&self.list);
            if let Err(error) = scheduled {
                list.loops.retain(|known| *known != address);
                return Err(error);
            }
        }
        list.members.push(member);
        let num = list.members.len();
        self.num.store(num, Ordering::Release);
        if is_first && !list.loops.contains(&address) {
            return Ok(true); // its turn has been already
        }
        let since = *list.since.get_or_insert_with(Instant::now);
        // To read the clock each time would cost a tenth of what is saved.
        Ok(num >= MOST || (num.is_multiple_of(CLOCKED) && since.elapsed() > most))
    }

    fn take(&self) -> (Vec<Member>, Duration) {
        let mut list = lock(&self.list);
        self.num.store(0, Ordering::Release);
        let since = list.since.take();
        let members = std::mem::take(&mut list.members);
        (members, since.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    /// Ends all that wait here, since their layer has gone.
    pub fn abandon(&self, py: Python<'_>) {
        for Member { operation, hold, .. } in self.take().0 {
            operation.get().abandon();
            drop(hold);
            operation.get().finish(py, &operation, true);
        }
    }

    /// Runs all that wait here, on this thread.
    pub fn run(&self, py: Python<'_>, layer: &Layer) {
        if !layer.is_ours() {
            return; // of a parent process: even the lock may be held by nobody
        }
        let (members, waited) = self.take();
        let mut callers = Vec::with_capacity(members.len());
        let mut works = Vec::with_capacity(members.len());
        for Member { operation, hold, work } in members {
            if hold.is_pending() {
                callers.push((operation, hold));
                works.push(work);
            } else {
                drop((hold, work)); // withdrawn meanwhile: nobody needs the caller's memory any more
                operation.get().finish(py, &operation, true);
            }
        }
        if works.is_empty() {
            return;
        }
        let results = py.detach(|| layer.run_gathered(&mut works, waited));
        for (((operation, mut hold), work), (outcome, completion)) in callers.into_iter().zip(works).zip(results) {
            let units = vec![outcome.map(|facts| (work.unit.output, facts))];
            hold.settle(Settled { units, completion, route: None, laid: None });
            operation.get().finish(py, &operation, true);
        }
    }
}

/// What a loop calls in its next turn.
#[pyclass(frozen)]
struct Turn {
    ports: Weak<Ports>,
    address: usize,
    /// Of the process: a forked child leaves what its parent has put off alone.
    generation: u64,
    was_called: AtomicBool,
}

impl Turn {
    fn new(ports: &Arc<Ports>, address: usize) -> Self {
        let generation = fork::generation();
        Self { ports: Arc::downgrade(ports), address, generation, was_called: AtomicBool::new(false) }
    }
}

impl Drop for Turn {
    /// Its loop was closed before its next turn, or has refused it. Another loop may have the same address one day.
    fn drop(&mut self) {
        let Some(ports) = self.ports.upgrade().filter(|_| !*self.was_called.get_mut()) else { return };
        Python::try_attach(|py| {
            if self.generation == fork::generation() {
                let raised = PyErr::take(py); // Python code runs below, and this may be on the way of an exception
                lock(&ports.gathering.list).loops.retain(|address| *address != self.address);
                ports.gather_now(py); // they were submitted, and nobody else may come by
                if let Some(raised) = raised {
                    raised.restore(py);
                }
            }
        });
    }
}

#[pymethods]
impl Turn {
    fn __call__(&self, py: Python<'_>) {
        self.was_called.store(true, Ordering::Relaxed);
        let Some(ports) = self.ports.upgrade() else { return };
        let gathering = &ports.gathering;
        let kinds: Vec<(Arc<Rivalry>, u32)> = {
            let mut list = lock(&gathering.list);
            list.loops.retain(|address| *address != self.address);
            let mut kinds: Vec<(Arc<Rivalry>, u32)> = Vec::new();
            for member in &list.members {
                let kind = &member.work.bound.rivalry;
                if !kinds.iter().any(|(known, _)| Arc::ptr_eq(known, kind)) {
                    kinds.push((Arc::clone(kind), kind.company.since(member.work.number)));
                }
            }
            kinds
        };
        for (kind, num) in kinds {
            kind.company.note_turn(num);
        }
        ports.gather_now(py);
    }
}
