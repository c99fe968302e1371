//! One completion ring per event loop, and the table of operations in flight.
//!
//! The table is what keeps an operation and the memory pinned for it alive while an engine may touch it, whatever the
//! caller does with the handle. An entry leaves the table only in a drain, after the engine has let go. Workers never
//! hold a Python reference: they hold the core's operation, whose token names the entry.

use crate::delivery::{Delivery, Direct, Dispatcher, Mode};
use crate::gather::Gathering;
use crate::layer::Shared;
use crate::loops::running_loop;
use crate::operation::Operation;
use acrypto_core::ffi::eventfd::EventFd;
use acrypto_core::operation::{self as op, Port, Told};
use acrypto_core::ring::Ring;
pub use acrypto_core::sync::lock_std as lock;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, Weak};

struct LoopPort {
    /// Held so that its address is not reused while we know it by that.
    event_loop: Py<PyAny>,
    port: Arc<Port>,
}

/// A table of so many entries grows with care.
const LONG: usize = 1024;

#[derive(Default)]
struct Table {
    entries: Vec<Option<Py<Operation>>>,
    free: Vec<u32>,
}

/// All rings of one layer. Shareable between threads.
pub struct Ports {
    loops: Mutex<Vec<LoopPort>>,
    /// Rings of loops that were closed: operations may still end there, and be let go by whoever comes by.
    orphans: Mutex<Vec<Arc<Port>>>,
    /// Of callers without a loop; drained by whoever comes by.
    threads: Arc<Port>,
    /// Of callers who reap for themselves, and what they have left for the next time.
    polled: Arc<Port>,
    left: Mutex<VecDeque<Arc<op::Operation>>>,
    pub dispatcher: Arc<Dispatcher>,
    pub gathering: Gathering,
    /// The layer's own half, for what a callback adds to a route.
    shared: OnceLock<Weak<Shared>>,
    table: Mutex<Table>,
}

fn new_port() -> PyResult<Arc<Port>> {
    let bell = EventFd::new().map_err(|error| PyOSError::new_err(error.to_string()))?;
    Ok(Arc::new(Ring::new(bell)))
}

impl Ports {
    pub fn new() -> PyResult<Self> {
        Ok(Self {
            loops: Mutex::new(Vec::new()),
            orphans: Mutex::new(Vec::new()),
            threads: new_port()?,
            polled: new_port()?,
            left: Mutex::default(),
            dispatcher: Arc::default(),
            gathering: Gathering::default(),
            shared: OnceLock::new(),
            table: Mutex::new(Table::default()),
        })
    }

    /// Tells it whose rings these are.
    pub fn settle_in(&self, shared: Weak<Shared>) {
        let _ = self.shared.set(shared); // rings are made for one layer
    }

    fn shared(&self) -> Option<Arc<Shared>> {
        self.shared.get().and_then(Weak::upgrade)
    }

    /// Runs what was put off to be run together.
    pub fn gather_now(&self, py: Python<'_>) {
        if self.gathering.len() > 0 {
            match self.shared() {
                Some(shared) => self.gathering.run(py, &shared.core),
                None => self.gathering.abandon(py),
            }
        }
    }

    /// Who is told of an operation that is to be delivered so.
    pub fn teller(
        self: &Arc<Self>,
        event_loop: Option<&Bound<'_, PyAny>>,
        delivery: &Delivery,
    ) -> PyResult<Arc<dyn Told>> {
        Ok(match (delivery.mode, event_loop) {
            (Mode::Poll, _) => Arc::<Port>::clone(&self.polled),
            (Mode::Direct, _) => Arc::new(Direct(Arc::downgrade(self))),
            // Whoever asked for it is there when it ends, and looks.
            (Mode::Inline, _) => Arc::<Port>::clone(&self.threads),
            (_, Some(event_loop)) => self.port(event_loop)?,
            (_, None) if delivery.calls() => {
                self.start_dispatcher()?;
                Arc::<Dispatcher>::clone(&self.dispatcher)
            }
            (_, None) => Arc::<Port>::clone(&self.threads),
        })
    }

    pub fn start_dispatcher(self: &Arc<Self>) -> PyResult<()> {
        self.dispatcher.start(self).map_err(|error| PyOSError::new_err(error.to_string()))
    }

    /// The ring that serves this loop. Registers it with a loop that is new.
    fn port(self: &Arc<Self>, event_loop: &Bound<'_, PyAny>) -> PyResult<Arc<Port>> {
        {
            let loops = lock(&self.loops);
            if let Some(known) = loops.iter().find(|known| known.event_loop.is(event_loop)) {
                return Ok(Arc::clone(&known.port));
            }
        }
        // Python code runs below, so the lock is not held. Only this thread can run this loop: nobody else adds it.
        let port = new_port()?;
        let drainer = Bound::new(event_loop.py(), Drainer { ports: Arc::clone(self), port: Arc::clone(&port) })?;
        event_loop.call_method1("add_reader", (port.bell.fd(), drainer))?;
        lock(&self.loops).push(LoopPort { event_loop: event_loop.clone().unbind(), port: Arc::clone(&port) });
        self.forget_closed(event_loop.py());
        Ok(port)
    }

    /// Sets the rings of closed loops aside, and lets go of what ended there.
    pub fn forget_closed(&self, py: Python<'_>) {
        let known: Vec<(Py<PyAny>, Arc<Port>)> =
            lock(&self.loops).iter().map(|l| (l.event_loop.clone_ref(py), Arc::clone(&l.port))).collect();
        for (event_loop, port) in known {
            let closed = event_loop.call_method0(py, "is_closed").and_then(|closed| closed.is_truthy(py));
            if closed.unwrap_or(true) {
                let mut loops = lock(&self.loops);
                let at = loops.iter().position(|l| Arc::ptr_eq(&l.port, &port));
                let gone = at.map(|at| loops.swap_remove(at));
                drop(loops);
                drop(gone); // outside the lock: a loop's end may run any Python code
                lock(&self.orphans).push(port);
            }
        }
        let orphans = lock(&self.orphans).clone();
        for port in &orphans {
            self.drain(py, port);
        }
        drop(orphans);
        // An operation holds its ring: one that nobody else holds, and that is empty, gets nothing more.
        lock(&self.orphans).retain(|port| Arc::strong_count(port) > 1 || !port.is_empty());
    }

    /// Reserves a token for an operation about to be made.
    pub fn reserve(&self) -> u32 {
        let mut table = lock(&self.table);
        table.free.pop().unwrap_or_else(|| {
            if table.entries.len() == table.entries.capacity() && table.entries.len() >= LONG {
                let more = table.entries.len() / 8; // doubling may waste as much as it holds
                table.entries.reserve_exact(more);
            }
            table.entries.push(None);
            table.entries.len() as u32 - 1 // 2^32 operations do not fit into any memory
        })
    }

    pub fn enter(&self, token: u32, operation: Py<Operation>) {
        if let Some(entry) = lock(&self.table).entries.get_mut(token as usize) {
            *entry = Some(operation);
        }
    }

    /// Takes back a token whose operation was never submitted.
    pub fn leave(&self, token: u32) {
        let mut table = lock(&self.table);
        let entry = table.entries.get_mut(token as usize).and_then(Option::take);
        table.free.push(token);
        drop(table);
        drop(entry); // outside the lock: this may run any Python code
    }

    /// The operation of one that ended; its token is free again if the engine has let go. None if that was told before:
    /// a lost operation is told first and released later, and its token may serve another by then.
    fn look(&self, py: Python<'_>, core: &Arc<op::Operation>, released: bool) -> Option<Py<Operation>> {
        let mut table = lock(&self.table);
        let entry = table.entries.get_mut(core.token as usize)?;
        let operation = entry.as_ref().filter(|operation| operation.get().is_of(core))?.clone_ref(py);
        if released {
            // `operation` holds a reference too, so nothing is deallocated under the lock.
            *entry = None;
            table.free.push(core.token);
        }
        Some(operation)
    }

    /// Every operation that is still in the table.
    fn all(&self, py: Python<'_>) -> Vec<Py<Operation>> {
        lock(&self.table).entries.iter().flatten().map(|operation| operation.clone_ref(py)).collect()
    }

    /// After closing: tells the callers of operations that an engine still keeps to itself. The memory lingers.
    pub fn abandon(&self, py: Python<'_>) {
        for operation in self.all(py) {
            operation.get().abandon();
        }
    }

    /// Operations whose memory is pinned now.
    pub fn num_in_flight(&self) -> usize {
        let table = lock(&self.table);
        table.entries.len() - table.free.len() + self.gathering.len()
    }

    fn drain(&self, py: Python<'_>, port: &Port) -> usize {
        let ended = port.drain();
        let num = ended.len();
        for core in ended {
            self.told(py, &core);
        }
        num
    }

    /// Goes on with an operation that has ended, was let go of, or waits for its caller. It is given if it is done.
    pub fn told(&self, py: Python<'_>, core: &Arc<op::Operation>) -> Option<Py<Operation>> {
        let released = core.is_released() && !core.is_pending();
        let operation = self.look(py, core, released)?;
        if let Some(request) = core.take_paused() {
            operation.get().interlude(py, self.shared()?, request);
            return None;
        }
        operation.get().finish(py, &operation, released);
        Some(operation)
    }

    /// Reaps what has ended in poll mode, at most so many.
    pub fn poll(&self, py: Python<'_>, most: usize) -> Vec<Py<Operation>> {
        lock(&self.left).extend(self.polled.drain());
        let mut ended = Vec::new();
        while ended.len() < most {
            let Some(core) = lock(&self.left).pop_front() else { break };
            // Told of twice if it was told early: reported once.
            ended.extend(self.told(py, &core).filter(|operation| operation.get().is_news(py)));
        }
        ended
    }

    /// Lets go of what ended for callers without a loop.
    pub fn drain_threads(&self, py: Python<'_>) {
        if !self.threads.is_empty() {
            self.drain(py, &self.threads);
        }
    }

    /// Like [`drain_threads`](Self::drain_threads), and waits for completions that a worker has begun to tell: it settles
    /// an operation a moment before it puts it into the ring. Bounded, since that is a matter of microseconds.
    pub fn settle_threads(&self, py: Python<'_>) {
        for _ in 0..10_000 {
            self.drain_threads(py);
            let is_told = |operation: &Py<Operation>| operation.get().is_told_late();
            if !lock(&self.table).entries.iter().flatten().any(is_told) {
                return;
            }
            py.detach(std::thread::yield_now);
        }
    }

    /// Drains every ring; after closing, when no engine runs any more.
    pub fn drain_all(&self, py: Python<'_>) {
        self.drain(py, &self.threads);
        self.poll(py, usize::MAX);
        self.dispatcher.stop(py);
        self.forget_closed(py);
        let ports: Vec<Arc<Port>> = lock(&self.loops).iter().map(|known| Arc::clone(&known.port)).collect();
        for port in ports {
            self.drain(py, &port);
        }
    }

    /// Takes the rings off their loops; from any thread.
    pub fn unregister(&self, py: Python<'_>) {
        let loops = std::mem::take(&mut *lock(&self.loops));
        for known in loops {
            let running = running_loop(py).ok().flatten();
            let fd = known.port.bell.fd();
            let event_loop = known.event_loop.bind(py);
            // Errors mean that the loop is closed or gone, which is what we want. Another thread's loop removes the reader
            // itself; until then its drainer keeps the descriptor open, so the number cannot be given to another file.
            let _ = match running {
                Some(running) if running.is(event_loop) => event_loop.call_method1("remove_reader", (fd,)),
                _ => event_loop
                    .getattr("remove_reader")
                    .and_then(|remove| event_loop.call_method1("call_soon_threadsafe", (remove, fd))),
            };
            self.drain(py, &known.port);
        }
    }
}

/// What an event loop calls when its eventfd rings.
#[pyclass(frozen)]
pub struct Drainer {
    ports: Arc<Ports>,
    port: Arc<Port>,
}

#[pymethods]
impl Drainer {
    fn __call__(&self, py: Python<'_>) {
        self.ports.drain(py, &self.port);
    }
}
