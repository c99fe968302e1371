//! How an operation's end reaches its caller, beside awaiting it.
//!
//! | mode | who is told, and where the callback runs |
//! |---|---|
//! | `queued` | the event loop, in it; without one a thread of the layer's own |
//! | `poll` | nobody: the caller reaps with `layer.poll()`, on whose thread it runs |
//! | `direct` | at once, on the thread that completed it, which others wait for |
//! | `inline` | it is done on return; the callback has run |

use crate::port::Ports;
use acrypto_core::operation::{self as op, Told};
use acrypto_core::status::{Outcome, Status};
use pyo3::prelude::*;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// See the head of this file.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Queued,
    Poll,
    Direct,
    Inline,
}

impl Mode {
    /// By name.
    pub fn parse(name: &str) -> Outcome<Self> {
        match name {
            "queued" => Ok(Self::Queued),
            "poll" => Ok(Self::Poll),
            "direct" => Ok(Self::Direct),
            "inline" => Ok(Self::Inline),
            _ => Err(Status::usage(format!("mode is {name:?}; it must be queued, poll, direct or inline"))),
        }
    }
}

/// What a caller wants to be told, and how.
#[derive(Default)]
pub struct Delivery {
    pub mode: Mode,
    /// Called with the operation once it has ended.
    pub callback: Option<Py<PyAny>>,
    /// Called before a route ends, and may add stages.
    pub then: Option<Py<PyAny>>,
    /// Whether it is submitted without the interpreter.
    pub detach: bool,
}

impl Delivery {
    /// Whether some Python code of the caller's is to run.
    pub fn calls(&self) -> bool {
        self.callback.is_some() || self.then.is_some()
    }
}

/// Tells on the completing thread.
pub struct Direct(pub Weak<Ports>);

impl Told for Direct {
    fn told(&self, operation: &Arc<op::Operation>) {
        // Without an interpreter (it is shutting down) nobody is left to be told.
        Python::try_attach(|py| {
            if let Some(ports) = self.0.upgrade() {
                ports.told(py, operation);
            }
        });
    }
}

/// How long a closing layer waits for functions that it called.
const LET_GO: Duration = Duration::from_secs(10);

/// What the dispatcher's thread does next.
enum Errand {
    Tell(Arc<op::Operation>),
    /// Calls a function with an operation that was done before its caller had it.
    Call(Py<PyAny>, Py<PyAny>),
}

/// Tells on a thread of its own, started with the first callback.
#[derive(Default)]
pub struct Dispatcher {
    sender: Mutex<Option<Sender<Errand>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Who tells when the thread has ended.
    direct: OnceLock<Direct>,
}

impl Dispatcher {
    /// Starts the thread unless it runs.
    pub fn start(&self, ports: &Arc<Ports>) -> std::io::Result<()> {
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.is_some() {
            return Ok(());
        }
        let (sending, receiving) = channel::<Errand>();
        let ports = Arc::downgrade(ports);
        let _ = self.direct.set(Direct(Weak::clone(&ports))); // they are always the same
        let thread = std::thread::Builder::new().name("acrypto/callbacks".into()).spawn(move || {
            let direct = Direct(ports);
            receiving.iter().for_each(|errand| match errand {
                Errand::Tell(operation) => direct.told(&operation),
                Errand::Call(callback, operation) => {
                    Python::try_attach(|py| call(callback.bind(py), operation.bind(py)));
                }
            });
        })?;
        *sender = Some(sending);
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// Calls a function on the thread, which must run.
    pub fn call(&self, callback: Py<PyAny>, operation: Py<PyAny>) {
        self.send(Errand::Call(callback, operation));
    }

    /// False if the thread has ended.
    fn send(&self, errand: Errand) -> bool {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sender.is_some_and(|sender| sender.send(errand).is_ok())
    }

    /// Ends the thread, once it has told what it was given; waits for that, but not for ever: it runs others' functions.
    pub fn stop(&self, py: Python<'_>) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(sender);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            let until = Instant::now() + LET_GO;
            py.detach(|| {
                while !thread.is_finished() && Instant::now() < until {
                    std::thread::sleep(Duration::from_micros(200));
                }
            });
        }
    }
}

impl Told for Dispatcher {
    fn told(&self, operation: &Arc<op::Operation>) {
        let is_sent = self.send(Errand::Tell(Arc::clone(operation)));
        if let Some(direct) = self.direct.get().filter(|_| !is_sent) {
            direct.told(operation);
        }
    }
}

/// Calls somebody's function; what it raises is told as Python tells what nobody can catch.
pub fn call(callback: &Bound<'_, PyAny>, operation: &Bound<'_, PyAny>) {
    if let Err(error) = callback.call1((operation,)) {
        error.write_unraisable(callback.py(), Some(callback));
    }
}
