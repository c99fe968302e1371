//! One completion ring per event loop, and the table of operations in flight.
//!
//! The table is what keeps an operation and the memory pinned for it alive while an engine may touch it, whatever the
//! caller does with the handle. An entry leaves the table only in a drain, after the engine has let go. Workers never
//! hold a Python reference: they hold the core's operation, whose token names the entry.

use crate::operation::Operation;
use acrypto_core::ffi::eventfd::EventFd;
use acrypto_core::operation::Port;
use acrypto_core::ring::Ring;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct LoopPort {
    /// Held so that its address is not reused while we know it by that.
    event_loop: Py<PyAny>,
    port: Arc<Port>,
}

#[derive(Default)]
struct Table {
    entries: Vec<Option<Py<Operation>>>,
    free: Vec<usize>,
}

/// All rings of one layer. Shareable between threads.
pub struct Ports {
    loops: Mutex<Vec<LoopPort>>,
    /// Of callers without a loop; drained by whoever comes by.
    threads: Arc<Port>,
    table: Mutex<Table>,
}

static RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The event loop that runs in this thread, if any. Does not import asyncio.
pub fn running_loop(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let function = match RUNNING_LOOP.get(py) {
        Some(function) => function,
        None => {
            let modules = py.import("sys")?.getattr("modules")?;
            let Ok(events) = modules.get_item("asyncio.events") else { return Ok(None) };
            let Ok(function) = events.getattr("_get_running_loop") else { return Ok(None) };
            RUNNING_LOOP.get_or_init(py, || function.unbind())
        }
    };
    let found = function.bind(py).call0()?;
    Ok(if found.is_none() { None } else { Some(found) })
}

fn new_port() -> PyResult<Arc<Port>> {
    let bell = EventFd::new().map_err(|error| PyOSError::new_err(error.to_string()))?;
    Ok(Arc::new(Ring::new(bell)))
}

impl Ports {
    pub fn new() -> PyResult<Self> {
        Ok(Self { loops: Mutex::new(Vec::new()), threads: new_port()?, table: Mutex::new(Table::default()) })
    }

    /// The ring that serves this loop, or callers without one. Registers it with a loop that is new.
    pub fn port(self: &Arc<Self>, event_loop: Option<&Bound<'_, PyAny>>) -> PyResult<Arc<Port>> {
        let Some(event_loop) = event_loop else {
            return Ok(Arc::clone(&self.threads));
        };
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
        let py = event_loop.py();
        let old = std::mem::take(&mut *lock(&self.loops));
        let is_open = |known: &LoopPort| {
            known.event_loop.call_method0(py, "is_closed").and_then(|closed| closed.is_truthy(py)).is_ok_and(|c| !c)
        };
        let (kept, gone): (Vec<_>, Vec<_>) = old.into_iter().partition(is_open);
        let mut loops = lock(&self.loops);
        loops.extend(kept);
        loops.push(LoopPort { event_loop: event_loop.clone().unbind(), port: Arc::clone(&port) });
        drop(loops);
        for LoopPort { port, .. } in gone {
            self.drain(py, &port); // whatever ended after its loop did still pins memory
        }
        Ok(port)
    }

    /// Reserves a token for an operation about to be made.
    pub fn reserve(&self) -> usize {
        let mut table = lock(&self.table);
        table.free.pop().unwrap_or_else(|| {
            table.entries.push(None);
            table.entries.len() - 1
        })
    }

    pub fn enter(&self, token: usize, operation: Py<Operation>) {
        if let Some(entry) = lock(&self.table).entries.get_mut(token) {
            *entry = Some(operation);
        }
    }

    /// Takes an entry out: its engine has let go, or it was never submitted.
    pub fn leave(&self, token: usize) -> Option<Py<Operation>> {
        let mut table = lock(&self.table);
        let entry = table.entries.get_mut(token)?.take();
        table.free.push(token);
        entry
    }

    fn look(&self, py: Python<'_>, token: usize) -> Option<Py<Operation>> {
        lock(&self.table).entries.get(token)?.as_ref().map(|operation| operation.clone_ref(py))
    }

    /// Operations whose memory is pinned now.
    pub fn num_in_flight(&self) -> usize {
        let table = lock(&self.table);
        table.entries.len() - table.free.len()
    }

    fn drain(&self, py: Python<'_>, port: &Port) -> usize {
        let ended = port.drain();
        let num = ended.len();
        for core in ended {
            let operation = if core.is_released() { self.leave(core.token) } else { self.look(py, core.token) };
            // A lost operation is told first and released later, so its entry may be gone the second time.
            if let Some(operation) = operation.filter(|operation| operation.get().is_of(&core)) {
                operation.get().finish(py, &operation, core.is_released());
            }
        }
        num
    }

    /// Lets go of what ended for callers without a loop.
    pub fn drain_threads(&self, py: Python<'_>) {
        if !self.threads.is_empty() {
            self.drain(py, &self.threads);
        }
    }

    /// Drains every ring; after closing, when no engine runs any more.
    pub fn drain_all(&self, py: Python<'_>) {
        self.drain(py, &self.threads);
        let ports: Vec<Arc<Port>> = lock(&self.loops).iter().map(|known| Arc::clone(&known.port)).collect();
        for port in ports {
            self.drain(py, &port);
        }
    }

    /// Takes the rings off their loops; from any thread.
    pub fn unregister(&self, py: Python<'_>) {
        for known in std::mem::take(&mut *lock(&self.loops)) {
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
