//! Incremental decompression and hashing: each step is an operation like any other.

use crate::buffer::Pins;
use crate::convert::params;
use crate::delivery::Delivery;
use crate::error::{OrRaise, raise};
use crate::harvest::{Harvest, Shape};
use crate::layer::{Layer, Shared};
use crate::loops::running_loop;
use crate::operation::Operation;
use crate::port::lock;
use acrypto_core::alg::{Facts, Params, deflate, stream};
use acrypto_core::buffer::{Output, Source};
use acrypto_core::layer::Chosen;
use acrypto_core::request::Stepper;
use acrypto_core::status::{Outcome, Status};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Lets one step of a stream run at a time. Zero is free; a step holds its own number, so that it cannot free another's.
#[derive(Default)]
struct Turn {
    holder: AtomicU64,
    last: AtomicU64,
}

impl Turn {
    fn take(&self, py: Python<'_>) -> PyResult<u64> {
        let own = self.last.fetch_add(1, Ordering::AcqRel) + 1;
        match self.holder.compare_exchange(0, own, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(own),
            Err(_) => Err(raise(py, &Status::usage("a step of this stream is still running"))),
        }
    }

    fn give_back(&self, own: u64) {
        let _ = self.holder.compare_exchange(own, 0, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// What one kind of stream keeps from step to step.
trait Work: Send {
    fn step(&mut self, source: &Source, output: &mut Output) -> Outcome<()>;
}

/// One step on its way. The turn ends with the work, before its caller is told, or when the step is dropped unrun.
struct OneStep<W: Work> {
    work: Arc<Mutex<W>>,
    turn: Arc<Turn>,
    own: u64,
}

impl<W: Work> Stepper for OneStep<W> {
    fn step(&mut self, source: &Source, output: &mut Output) -> Outcome<Facts> {
        let outcome = lock(&self.work).step(source, output);
        self.turn.give_back(self.own);
        outcome.map(|()| Facts::default())
    }
}

impl<W: Work> Drop for OneStep<W> {
    fn drop(&mut self) {
        self.turn.give_back(self.own);
    }
}

/// What all streams have.
struct Stream<W: Work> {
    shared: Arc<Shared>,
    chosen: Chosen,
    work: Arc<Mutex<W>>,
    turn: Arc<Turn>,
}

impl<W: Work + 'static> Stream<W> {
    fn new(py: Python<'_>, layer: &Layer, name: &str, params: Params, driver: &'static str, work: W) -> PyResult<Self> {
        let core = &layer.shared.core;
        let chosen = py.detach(|| core.place_steps(&core.bind(name, params)?, driver)).or_raise(py)?;
        let work = Arc::new(Mutex::new(work));
        Ok(Self { shared: Arc::clone(&layer.shared), chosen, work, turn: Arc::default() })
    }

    /// Submits one step; `prepare` runs when it is certain that no other one does.
    fn submit<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        shape: Shape,
        prepare: impl FnOnce(&mut W),
    ) -> PyResult<Py<Operation>> {
        let mut pins = Pins::default();
        let source = pins.source(data)?;
        let own = self.turn.take(py)?;
        let step = OneStep { work: Arc::clone(&self.work), turn: Arc::clone(&self.turn), own };
        prepare(&mut lock(&self.work));
        let layer = &self.shared.core;
        let unit = layer.unit(source);
        self.shared.launch(py, running_loop(py)?, Harvest::One(shape), pins, Delivery::default(), |hold| {
            layer.submit_step(&self.chosen, Box::new(step), unit, hold)
        })
    }
}

type LastStep = Arc<Mutex<Option<stream::Step>>>;

struct Inflating {
    inner: Box<dyn stream::Decompressor>,
    room: usize,
    end: bool,
    last: LastStep,
}

impl Work for Inflating {
    fn step(&mut self, source: &Source, output: &mut Output) -> Outcome<()> {
        let mut gathered = Vec::new();
        let bytes = source.contiguous(&mut gathered);
        let step = self.inner.step(bytes, output.exactly(self.room)?, self.end)?;
        output.set_len(step.produced);
        *lock(&self.last) = Some(step);
        Ok(())
    }
}

/// A decompressor in steps, for data larger than memory. One step at a time.
#[pyclass(frozen, module = "acrypto._core")]
pub struct Decompressor {
    stream: Stream<Inflating>,
    last: LastStep,
}

#[pymethods]
impl Decompressor {
    /// For a format by name. With `window`, a raw deflate stream whose last output that was, ending at its final block.
    #[new]
    #[pyo3(signature = (layer, format, window = None))]
    fn new(py: Python<'_>, layer: &Layer, format: &str, window: Option<Bound<'_, PyAny>>) -> PyResult<Self> {
        let inner = match window {
            None => stream::decompressor(format).or_raise(py)?,
            Some(window) => deflate::resume(&Pins::short::<Vec<u8>>(Some(&window))?).or_raise(py)?,
        };
        let (driver, last) = (inner.driver(), LastStep::default());
        let work = Inflating { inner, room: 0, end: false, last: Arc::clone(&last) };
        Ok(Self { stream: Stream::new(py, layer, format, Params::default(), driver, work)?, last })
    }

    /// Takes some of `data` and gives up to `room` bytes. `end` says that no more data will come.
    #[pyo3(signature = (data, room, *, end = false))]
    fn step<'py>(&self, py: Python<'py>, data: Bound<'py, PyAny>, room: usize, end: bool) -> PyResult<Py<Operation>> {
        self.stream.submit(py, &data, Shape::Buffer, |work| {
            work.room = room;
            work.end = end;
            *lock(&work.last) = None;
        })
    }

    /// What the last step did: (bytes consumed, bytes produced, whether the data ended). None if it failed or runs.
    fn last(&self) -> Option<(usize, usize, bool)> {
        lock(&self.last).map(|step| (step.consumed, step.produced, step.finished))
    }
}

struct Hashing(Box<dyn stream::Hasher>);

impl Work for Hashing {
    fn step(&mut self, source: &Source, _output: &mut Output) -> Outcome<()> {
        for segment in source.segments() {
            self.0.update(segment);
        }
        Ok(())
    }
}

/// A digest or MAC in steps. One step at a time.
#[pyclass(frozen, module = "acrypto._core")]
pub struct Hasher {
    stream: Stream<Hashing>,
}

#[pymethods]
impl Hasher {
    #[new]
    #[pyo3(signature = (layer, algorithm, **parameters))]
    fn new(py: Python<'_>, layer: &Layer, algorithm: &str, parameters: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let params = params(py, parameters)?;
        let inner = stream::hasher(algorithm, &params).or_raise(py)?;
        let driver = inner.driver();
        Ok(Self { stream: Stream::new(py, layer, algorithm, params, driver, Hashing(inner))? })
    }

    /// Takes more of the message.
    fn update<'py>(&self, py: Python<'py>, data: Bound<'py, PyAny>) -> PyResult<Py<Operation>> {
        self.stream.submit(py, &data, Shape::Nothing, |_| ())
    }

    /// The digest or tag of what was taken. The hasher starts anew.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let own = self.stream.turn.take(py)?;
        let digest = lock(&self.stream.work).0.finish();
        self.stream.turn.give_back(own);
        Ok(PyBytes::new(py, &digest))
    }
}
