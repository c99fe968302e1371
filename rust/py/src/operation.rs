//! The handle that a caller holds: awaitable in its event loop, waitable from a thread, cancellable.
//!
//! It speaks the protocol of `asyncio.Future` by duck typing (PEP 3156's `_asyncio_future_blocking`), so tasks, `gather`,
//! `wait_for` and `shield` take it as it is, without a task or a future of their own around it: that would cost more
//! than most operations. Rejected: wrapping a real `asyncio.Future`, 0.5 us to make and only usable in its loop.

use crate::buffer::Pins;
use crate::completion::{Completion, Told};
use crate::delivery::{Delivery, Mode, call};
use crate::error::{cancelled, raise};
use crate::gather::end_burst;
use crate::harvest::{Harvest, Outcome, Shape, harvest_one, harvested};
use crate::layer::Shared;
use crate::loops::running_loop;
use crate::port::{Ports, lock};
use crate::route::Hop;
use acrypto_core::operation as core;
use acrypto_core::request::Request;
use acrypto_core::route::resume;
use acrypto_core::status::Status;
use pyo3::exceptions::{PyBaseException, PyRuntimeError, PyStopIteration, PyTimeoutError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

mod state;
use state::{Callback, Rare, State};

/// See the head of this file. Any thread may wait or cancel; await it in the loop that submitted it.
#[pyclass(frozen, weakref, module = "acrypto")]
pub struct Operation {
    core: Option<Arc<core::Operation>>,
    event_loop: Option<Py<PyAny>>,
    ports: Option<Arc<Ports>>,
    /// What one message's result is given as; or, of many, how: boxed, since a million of the others may wait at once.
    shape: Shape,
    many: Option<Box<Harvest>>,
    blocking: AtomicBool,
    /// Put off, it is run in the loop's next turn rather than when it is awaited.
    waits_turn: bool,
    state: Mutex<State>,
}

impl Operation {
    fn ended(event_loop: Option<Py<PyAny>>, outcome: Outcome, completion: Told) -> Self {
        Self {
            core: None,
            event_loop,
            ports: None,
            shape: Shape::Nothing,
            many: None,
            blocking: AtomicBool::new(false),
            waits_turn: false,
            state: Mutex::new(State::new(outcome, Some(completion), Pins::default())),
        }
    }

    /// One of one unit that is done already.
    pub fn done_one(
        py: Python<'_>,
        event_loop: Option<Py<PyAny>>,
        shape: Shape,
        result: core::UnitResult,
        completion: core::Completion,
    ) -> Self {
        let (outcome, checksum) = harvest_one(py, result, shape);
        Self::ended(event_loop, outcome, (completion, checksum, None))
    }

    /// One of many units that is done already.
    pub fn done_many(py: Python<'_>, event_loop: Option<Py<PyAny>>, harvest: Harvest, settled: core::Settled) -> Self {
        let (outcome, completion) = harvested(py, &harvest, settled);
        Self::ended(event_loop, outcome, completion)
    }

    /// One that is on its way, with what is pinned for it.
    pub fn pending(
        core: Arc<core::Operation>,
        event_loop: Option<Py<PyAny>>,
        ports: Arc<Ports>,
        harvest: Harvest,
        pins: Pins,
        delivery: Delivery,
    ) -> Self {
        let mut state = State::new(Outcome::Pending, None, pins);
        if delivery.calls() {
            let Delivery { callback, then, .. } = delivery;
            state.rare = Some(Box::new(Rare { callback, then, ..Rare::default() }));
        }
        let (shape, many) = match harvest {
            Harvest::One(shape) => (shape, None),
            many => (Shape::Nothing, Some(Box::new(many))),
        };
        Self {
            core: Some(core),
            event_loop,
            ports: Some(ports),
            shape,
            many,
            blocking: AtomicBool::new(false),
            waits_turn: false,
            state: Mutex::new(state),
        }
    }

    /// One that waits for company.
    pub fn put_off(
        core: Arc<core::Operation>,
        event_loop: Option<Py<PyAny>>,
        ports: Arc<Ports>,
        shape: Shape,
        pins: Pins,
        waits_turn: bool,
    ) -> Self {
        let harvest = Harvest::One(shape);
        Self { waits_turn, ..Self::pending(core, event_loop, ports, harvest, pins, Delivery::default()) }
    }

    /// Somebody asks after it: what was put off is run now. Returns whether it is done.
    fn ask(&self, py: Python<'_>) -> bool {
        if self.refresh(py) {
            return true;
        }
        if let Some(ports) = self.ports.as_ref().filter(|ports| ports.gathering.len() > 0) {
            ports.gather_now(py);
            return self.refresh(py);
        }
        false
    }

    /// Whether its engine has let go of an operation without a loop, so that the ring must hold it by now, or soon.
    pub fn is_told_late(&self) -> bool {
        self.event_loop.is_none() && self.core.as_ref().is_some_and(|core| core.is_released())
    }

    pub fn is_of(&self, core: &Arc<core::Operation>) -> bool {
        self.core.as_ref().is_some_and(|own| Arc::ptr_eq(own, core))
    }

    fn absorb(&self, py: Python<'_>, settled: core::Settled) {
        let (outcome, completion) = match &self.many {
            None => harvested(py, &Harvest::One(self.shape), settled),
            Some(many) => harvested(py, many, settled),
        };
        let mut state = lock(&self.state);
        state.rare().completion = Some(completion);
        state.outcome = outcome;
    }

    /// Looks whether the core's operation has ended, and takes its result if so. Returns whether it is done.
    fn refresh(&self, py: Python<'_>) -> bool {
        let Some(core) = &self.core else { return true };
        if !core.is_ours() {
            return true; // `peek` says why; in a forked child even our own lock may be held by nobody
        }
        let done = self.take_result(py, core);
        if done && core.is_released() {
            self.unpin();
        }
        done
    }

    fn take_result(&self, py: Python<'_>, core: &core::Operation) -> bool {
        if !matches!(lock(&self.state).outcome, Outcome::Pending) {
            return true;
        }
        if core.is_pending() {
            return false;
        }
        if core.is_cancelled() {
            lock(&self.state).outcome = Outcome::Cancelled;
            return true;
        }
        match core.take() {
            Some(settled) => {
                self.absorb(py, settled);
                true
            }
            // Another thread is between taking and absorbing; it holds no lock of ours for long.
            None => !matches!(lock(&self.state).outcome, Outcome::Pending),
        }
    }

    /// Lets go of the caller's memory; only once the engine has.
    fn unpin(&self) {
        let pins = std::mem::take(&mut lock(&self.state).pins);
        drop(pins); // outside the lock: releasing an export may run any Python code
    }

    /// Tells the caller of an operation that its engine keeps beyond the layer's closing.
    pub fn abandon(&self) {
        let Some(core) = &self.core else { return };
        if core.is_pending() {
            let closed = Status::Closed("the layer was closed before the operation was done");
            core.tell(core::Settled::failed(closed, &Arc::from(""), "the layer was closed"));
        }
    }

    /// Called in a drain: the operation ended, or its engine has let go.
    pub fn finish(&self, py: Python<'_>, own: &Py<Self>, released: bool) {
        // Another thread may have taken the result and not stored it yet; the callbacks must find it stored.
        while !self.refresh(py) && self.core.as_ref().is_some_and(|core| !core.is_pending()) {
            py.detach(std::thread::yield_now);
        }
        if released {
            self.unpin();
        }
        let (callback, callbacks) = {
            let mut state = lock(&self.state);
            let callback = state.rare.as_mut().and_then(|rare| rare.callback.take());
            (callback, state.take_callbacks())
        };
        if let Some(callback) = callback {
            call(callback.bind(py), own.bind(py));
        }
        self.schedule(py, own.bind(py), callbacks);
    }

    /// Waits until it is done, as who asked for `inline` wants it.
    pub fn settle_here(&self, py: Python<'_>) -> PyResult<()> {
        let Some(core) = &self.core else { return Ok(()) };
        let asks = lock(&self.state).rare.as_ref().is_some_and(|rare| rare.then.is_some());
        let step = Duration::from_millis(if asks { 1 } else { 100 });
        while !py.detach(|| core.wait(Some(step))) {
            py.check_signals()?;
            if let Some(ports) = &self.ports {
                ports.drain_threads(py); // its caller may be asked for more stages, and that is us
            }
        }
        while !self.refresh(py) {
            py.detach(std::thread::yield_now);
        }
        Ok(())
    }

    /// Whether it is done and was not reported as such before.
    pub fn is_news(&self, py: Python<'_>) -> bool {
        self.refresh(py) && !std::mem::replace(&mut lock(&self.state).rare().is_reaped, true)
    }

    /// Calls back for an operation that was done before its caller had it: at once if that is what `inline` was asked
    /// for, else off the caller's stack.
    pub fn call_back(own: &Bound<'_, Self>, ports: &Arc<Ports>, delivery: Delivery) -> PyResult<()> {
        let Some(callback) = delivery.callback else { return Ok(()) };
        match &own.get().event_loop {
            _ if delivery.mode == Mode::Inline => call(callback.bind(own.py()), own),
            Some(event_loop) => drop(event_loop.call_method1(own.py(), "call_soon", (callback, own))?),
            None => {
                ports.start_dispatcher()?;
                ports.dispatcher.call(callback, own.clone().into_any().unbind());
            }
        }
        Ok(())
    }

    /// Asks the caller of a route whether there is more to do, and goes on.
    pub fn interlude(&self, py: Python<'_>, shared: Arc<Shared>, request: Request) {
        let Some(layer) = request.bound.as_ref().and_then(|bound| bound.layer()) else { return };
        let then = lock(&self.state).rare.as_ref().and_then(|rare| rare.then.as_ref().map(|then| then.clone_ref(py)));
        let mut more = Vec::new();
        if let Some(then) = then {
            match Hop::ask(shared, then.bind(py), &request) {
                Ok((stages, pins)) => {
                    lock(&self.state).pins.absorb(pins);
                    more = stages;
                }
                Err(error) => error.write_unraisable(py, Some(then.bind(py))),
            }
        }
        py.detach(|| resume(request, more, &layer));
    }

    fn schedule(&self, py: Python<'_>, own: &Bound<'_, Self>, callbacks: Vec<Callback>) {
        let Some(event_loop) = &self.event_loop else { return };
        if callbacks.is_empty() {
            return;
        }
        // Cancelled or closed by another thread, the loop must be woken, and may not be touched otherwise.
        let is_here = matches!(running_loop(py), Ok(Some(running)) if running.is(event_loop));
        let call = if is_here { "call_soon" } else { "call_soon_threadsafe" };
        for (callback, context) in callbacks {
            let kwargs = context.map(|context| {
                let kwargs = PyDict::new(py);
                let _ = kwargs.set_item("context", context); // a dict of one cannot fail but for memory
                kwargs
            });
            // It fails only when the loop is closed, and then nobody waits any more.
            let _ = event_loop.bind(py).call_method(call, (callback, own), kwargs.as_ref());
        }
    }

    /// The outcome, with no lock held when Python code runs. `Err(None)` is a cancelled one.
    fn peek(&self, py: Python<'_>) -> PyResult<Result<Py<PyAny>, Option<Py<PyBaseException>>>> {
        if self.core.as_ref().is_some_and(|core| !core.is_ours()) {
            return Err(raise(py, &Status::Closed("the operation belongs to the parent process")));
        }
        match &lock(&self.state).outcome {
            Outcome::Pending => Err(PyRuntimeError::new_err("the operation is not done yet")),
            Outcome::Value(value) => Ok(Ok(value.clone_ref(py))),
            Outcome::Error(error) => Ok(Err(Some(error.clone_ref(py)))),
            Outcome::Cancelled => Ok(Err(None)),
        }
    }

    fn message(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let state = lock(&self.state);
        state.rare.as_ref().and_then(|rare| rare.cancel_message.as_ref()).map(|message| message.clone_ref(py))
    }

    fn cancelled_error(&self, py: Python<'_>) -> PyErr {
        cancelled(py, self.message(py))
    }

    fn value(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.peek(py)? {
            Ok(value) => Ok(value),
            Err(None) => Err(self.cancelled_error(py)),
            Err(Some(error)) => {
                let error = PyErr::from_value(error.into_bound(py).into_any());
                error.set_traceback(py, None); // raised anew each time, as asyncio's futures do
                Err(error)
            }
        }
    }
}

#[pymethods]
impl Operation {
    /// `Operation[bytes]`, for annotations.
    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, pyo3::types::PyType>,
        of: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        class.py().import("types")?.getattr("GenericAlias")?.call1((class, of))
    }

    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        let py = slf.py();
        let own = slf.get();
        end_burst();
        if own.waits_turn && !own.refresh(py) {
            own.blocking.store(true, Ordering::Relaxed);
            return Ok(slf);
        }
        if own.ask(py) {
            let value = own.value(py)?;
            return Err(PyStopIteration::new_err((value,)));
        }
        if own.event_loop.is_none() {
            return Err(PyRuntimeError::new_err(
                "the operation was submitted outside an event loop: use wait(), or submit it inside the loop",
            ));
        }
        own.blocking.store(true, Ordering::Relaxed);
        Ok(slf)
    }

    #[getter(_asyncio_future_blocking)]
    fn is_blocking(&self) -> bool {
        self.blocking.load(Ordering::Relaxed)
    }

    #[setter(_asyncio_future_blocking)]
    fn set_blocking(&self, blocking: bool) {
        self.blocking.store(blocking, Ordering::Relaxed);
    }

    /// What `cancel` was given; `asyncio.gather` asks for it.
    #[getter]
    fn _cancel_message(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.message(py)
    }

    /// The exception of a cancelled one; `asyncio.gather` asks for it.
    fn _make_cancelled_error(&self, py: Python<'_>) -> Py<PyBaseException> {
        self.cancelled_error(py).into_value(py)
    }

    /// The event loop that the operation was submitted in.
    fn get_loop(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match &self.event_loop {
            Some(event_loop) => Ok(event_loop.clone_ref(py)),
            None => Err(PyRuntimeError::new_err("the operation was submitted outside an event loop")),
        }
    }

    /// Whether it has ended: with a result, an error, or cancelled.
    fn done(&self, py: Python<'_>) -> bool {
        self.ask(py)
    }

    /// Whether it was cancelled.
    fn cancelled(&self, py: Python<'_>) -> bool {
        self.ask(py) && matches!(self.peek(py), Ok(Err(None)))
    }

    /// Withdraws it; false if it has ended already. The caller is told at once; memory lingers until the engine lets go.
    #[pyo3(signature = (msg = None))]
    fn cancel(slf: Bound<'_, Self>, msg: Option<Bound<'_, PyAny>>) -> bool {
        let own = slf.get();
        let Some(core) = own.core.as_ref().filter(|core| core.is_ours() && core.is_pending()) else { return false };
        if let Some(message) = msg {
            let before = lock(&own.state).rare().cancel_message.replace(message.unbind());
            drop(before);
        }
        if !core.cancel() {
            return false;
        }
        own.refresh(slf.py());
        let callbacks = lock(&own.state).take_callbacks();
        own.schedule(slf.py(), &slf, callbacks);
        true
    }

    /// The result, or raises what went wrong; RuntimeError while it is not done.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.ask(py);
        self.value(py)
    }

    /// What went wrong, or None.
    fn exception(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.ask(py);
        match self.peek(py)? {
            Ok(_) => Ok(None),
            Err(Some(error)) => Ok(Some(error.into_any())),
            Err(None) => Err(self.cancelled_error(py)),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // A lock that is held means that someone is using the operation, so it is no garbage.
        let Ok(state) = self.state.try_lock() else { return Ok(()) };
        match &state.outcome {
            Outcome::Value(value) => visit.call(value)?,
            Outcome::Error(error) => visit.call(error)?,
            Outcome::Pending | Outcome::Cancelled => {}
        }
        if let Some(rare) = &state.rare {
            for (callback, context) in &rare.callbacks {
                visit.call(callback)?;
                if let Some(context) = context {
                    visit.call(context)?;
                }
            }
            for object in [&rare.cancel_message, &rare.callback, &rare.then].into_iter().flatten() {
                visit.call(object)?;
            }
        }
        match &self.event_loop {
            Some(event_loop) => visit.call(event_loop),
            None => Ok(()),
        }
    }

    fn __clear__(&self) {
        let Ok(mut state) = self.state.try_lock() else { return };
        let outcome = std::mem::replace(&mut state.outcome, Outcome::Cancelled);
        let rare = state.rare.take();
        drop(state);
        drop((outcome, rare));
    }

    /// Calls `callback(operation)` from the event loop once it is done.
    #[pyo3(signature = (callback, *, context = None))]
    fn add_done_callback(
        slf: Bound<'_, Self>,
        callback: Bound<'_, PyAny>,
        context: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let own = slf.get();
        if own.event_loop.is_none() {
            return Err(PyRuntimeError::new_err("the operation was submitted outside an event loop"));
        }
        let entry = (callback.unbind(), context.map(Bound::unbind));
        end_burst();
        own.refresh(py);
        {
            // Under one lock: whoever stores the outcome after this takes the callback along.
            let mut state = lock(&own.state);
            if matches!(state.outcome, Outcome::Pending) {
                state.rare().callbacks.push(entry);
                return Ok(());
            }
        }
        own.schedule(py, &slf, vec![entry]);
        Ok(())
    }

    /// Takes back every registration of `callback`; returns how many.
    fn remove_done_callback(slf: Bound<'_, Self>, callback: Bound<'_, PyAny>) -> usize {
        let own = slf.get();
        let all = lock(&own.state).take_callbacks();
        let before = all.len();
        // Comparing runs Python code, so the lock is not held.
        let kept: Vec<Callback> =
            all.into_iter().filter(|(known, _)| !callback.eq(known.bind(callback.py())).unwrap_or(false)).collect();
        let removed = before - kept.len();
        let late = {
            let mut state = lock(&own.state);
            if matches!(state.outcome, Outcome::Pending) {
                state.rare().callbacks.extend(kept);
                Vec::new()
            } else {
                kept // it ended while they were out
            }
        };
        own.schedule(slf.py(), &slf, late);
        removed
    }

    /// Blocks this thread until it is done and gives the result. TimeoutError leaves the operation running.
    #[pyo3(signature = (timeout = None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        self.ask(py);
        if let Some(core) = self.core.as_ref().filter(|core| core.is_ours() && core.is_pending()) {
            let limit = timeout.map(|s| Duration::try_from_secs_f64(s.max(0.0)).unwrap_or(Duration::MAX));
            // In steps, so that a signal (Ctrl-C) gets through to Python.
            let started = std::time::Instant::now();
            loop {
                let left = limit.map(|limit| limit.saturating_sub(started.elapsed()));
                let step = left.unwrap_or(Duration::MAX).min(Duration::from_millis(100));
                if py.detach(|| core.wait(Some(step))) {
                    break;
                }
                py.check_signals()?;
                if left.is_some_and(|left| left <= step) {
                    return Err(PyTimeoutError::new_err("the operation is not done yet"));
                }
            }
        }
        while !self.refresh(py) {
            py.detach(std::thread::yield_now);
        }
        let is_ours = self.core.as_ref().is_none_or(|core| core.is_ours());
        if let Some(ports) = self.ports.as_ref().filter(|_| is_ours && self.event_loop.is_none()) {
            ports.drain_threads(py);
        }
        self.value(py)
    }

    /// How it was run; None until it is done, or when it was cancelled before.
    #[getter]
    fn completion(&self, py: Python<'_>) -> Option<Completion> {
        self.refresh(py);
        if self.core.as_ref().is_some_and(|core| !core.is_ours()) {
            return None;
        }
        let state = lock(&self.state);
        state.completion().map(Completion::of)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        self.refresh(py);
        if self.core.as_ref().is_some_and(|core| !core.is_ours()) {
            return "<Operation of the parent process>".into();
        }
        let state = lock(&self.state);
        let word = match &state.outcome {
            Outcome::Pending => "pending",
            Outcome::Value(_) => "done",
            Outcome::Error(_) => "failed",
            Outcome::Cancelled => "cancelled",
        };
        match state.completion() {
            Some(told) => format!("<Operation {word} on {}>", told.0.device),
            None => format!("<Operation {word}>"),
        }
    }
}
