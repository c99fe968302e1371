//! Incremental decompression and hashing: each step is an operation like any other.

use crate::buffer::Pins;
use crate::convert::params;
use crate::error::{OrRaise, raise};
use crate::layer::{Layer, Shared};
use crate::operation::{Harvest, Operation, Shape};
use crate::port::{lock, running_loop};
use acrypto_core::alg::{Facts, Params, deflate, stream, zstd};
use acrypto_core::buffer::{Output, Source};
use acrypto_core::layer::Place;
use acrypto_core::request::{Stepper, Unit};
use acrypto_core::status::{Outcome, Status};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

struct Inflating {
    inner: Box<dyn stream::Decompressor>,
    room: usize,
    end: bool,
    last: Option<stream::Step>,
    busy: Arc<AtomicBool>,
}

impl Stepper for Inflating {
    fn step(&mut self, source: &Source, output: &mut Output) -> Outcome<Facts> {
        let mut gathered = Vec::new();
        let bytes = source.contiguous(&mut gathered);
        let room = self.room;
        let space = output.space(room);
        let len = space.len().min(room);
        let outcome = match space.get_mut(..len) {
            Some(space) => self.inner.step(bytes, space, self.end),
            None => Err(Status::Internal("no space".into())),
        };
        self.busy.store(false, Ordering::Release);
        let step = outcome?;
        output.set_len(step.produced);
        self.last = Some(step);
        Ok(Facts::default())
    }
}

/// A decompressor in steps, for data larger than memory. One step at a time; not to be shared by threads.
#[pyclass(frozen, module = "acrypto._core")]
pub struct Decompressor {
    shared: Arc<Shared>,
    place: Place,
    driver: &'static str,
    state: Arc<Mutex<Inflating>>,
    busy: Arc<AtomicBool>,
}

fn claim(py: Python<'_>, busy: &AtomicBool) -> PyResult<()> {
    if busy.swap(true, Ordering::AcqRel) {
        return Err(raise(py, &Status::usage("a step of this stream is still running")));
    }
    Ok(())
}

#[pymethods]
impl Decompressor {
    /// For a format by name. With `window`, a raw deflate stream whose last output that was, ending at its final block.
    #[new]
    #[pyo3(signature = (layer, format, window = None))]
    fn new(py: Python<'_>, layer: &Layer, format: &str, window: Option<Bound<'_, PyAny>>) -> PyResult<Self> {
        let inner = match window {
            None => stream::decompressor(format).or_raise(py)?,
            Some(window) => deflate::resume(&Pins::short(Some(&window))?).or_raise(py)?,
        };
        let core = &layer.shared.core;
        let place = core.place(&core.bind(format, Params::default()).or_raise(py)?, None).or_raise(py)?;
        let busy = Arc::new(AtomicBool::new(false));
        let driver = inner.driver();
        let state = Inflating { inner, room: 0, end: false, last: None, busy: Arc::clone(&busy) };
        Ok(Self { shared: Arc::clone(&layer.shared), place, driver, state: Arc::new(Mutex::new(state)), busy })
    }

    /// Takes some of `data` and gives up to `room` bytes. `end` says that no more data will come.
    #[pyo3(signature = (data, room, *, end = false))]
    fn step<'py>(&self, py: Python<'py>, data: Bound<'py, PyAny>, room: usize, end: bool) -> PyResult<Py<Operation>> {
        let mut pins = Pins::default();
        let source = pins.source(&data)?;
        claim(py, &self.busy)?;
        {
            let mut state = lock(&self.state);
            state.room = room;
            state.end = end;
            state.last = None;
        }
        let layer = &self.shared.core;
        let unit = layer.unit(source);
        let harvest = Harvest::One(Shape::Buffer);
        let state: Arc<Mutex<dyn Stepper>> = Arc::clone(&self.state) as Arc<Mutex<dyn Stepper>>;
        let launched = self.shared.launch(py, running_loop(py)?, harvest, pins, |operation| {
            layer.submit_step(&self.place, state, self.driver, unit, operation)
        });
        if launched.is_err() {
            self.busy.store(false, Ordering::Release);
        }
        launched
    }

    /// What the last step did: (bytes consumed, bytes produced, whether the data ended). None if it failed.
    fn last(&self) -> Option<(usize, usize, bool)> {
        lock(&self.state).last.map(|step| (step.consumed, step.produced, step.finished))
    }
}

struct Hashing {
    inner: Box<dyn stream::Hasher>,
    busy: Arc<AtomicBool>,
}

impl Stepper for Hashing {
    fn step(&mut self, source: &Source, _output: &mut Output) -> Outcome<Facts> {
        for segment in source.segments() {
            self.inner.update(segment);
        }
        self.busy.store(false, Ordering::Release);
        Ok(Facts::default())
    }
}

/// A digest or MAC in steps. One step at a time; not to be shared by threads.
#[pyclass(frozen, module = "acrypto._core")]
pub struct Hasher {
    shared: Arc<Shared>,
    place: Place,
    driver: &'static str,
    state: Arc<Mutex<Hashing>>,
    busy: Arc<AtomicBool>,
}

#[pymethods]
impl Hasher {
    #[new]
    #[pyo3(signature = (layer, algorithm, **parameters))]
    fn new(py: Python<'_>, layer: &Layer, algorithm: &str, parameters: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let params = params(py, parameters)?;
        let inner = stream::hasher(algorithm, &params).or_raise(py)?;
        let core = &layer.shared.core;
        let place = core.place(&core.bind(algorithm, params).or_raise(py)?, None).or_raise(py)?;
        let busy = Arc::new(AtomicBool::new(false));
        let driver = inner.driver();
        let state = Hashing { inner, busy: Arc::clone(&busy) };
        Ok(Self { shared: Arc::clone(&layer.shared), place, driver, state: Arc::new(Mutex::new(state)), busy })
    }

    /// Takes more of the message.
    fn update<'py>(&self, py: Python<'py>, data: Bound<'py, PyAny>) -> PyResult<Py<Operation>> {
        let mut pins = Pins::default();
        let source = pins.source(&data)?;
        claim(py, &self.busy)?;
        let layer = &self.shared.core;
        let unit: Unit = layer.unit(source);
        let state: Arc<Mutex<dyn Stepper>> = Arc::clone(&self.state) as Arc<Mutex<dyn Stepper>>;
        let launched = self.shared.launch(py, running_loop(py)?, Harvest::One(Shape::Nothing), pins, |operation| {
            layer.submit_step(&self.place, state, self.driver, unit, operation)
        });
        if launched.is_err() {
            self.busy.store(false, Ordering::Release);
        }
        launched
    }

    /// The digest or tag. The hasher cannot be used after.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        claim(py, &self.busy)?;
        Ok(PyBytes::new(py, &lock(&self.state).inner.finish()))
    }
}

/// The extent of the first zstd frame in `data`: (compressed bytes, content bytes or None), or None if it is not whole.
#[pyfunction]
pub fn zstd_frame(data: Bound<'_, PyAny>) -> PyResult<Option<(usize, Option<u64>)>> {
    let mut pins = Pins::default();
    let source = pins.source(&data)?;
    let mut gathered = Vec::new();
    Ok(zstd::frame_size(source.contiguous(&mut gathered)))
}
