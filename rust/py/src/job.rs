//! Requests in the hands of an engine written in Python.

use crate::buffer::Pins;
use crate::port::lock;
use acrypto_core::alg::{Direction, Facts, Params};
use acrypto_core::copies::{Place, count};
use acrypto_core::operation::UnitResult;
use acrypto_core::request::{Request, Unit, Work};
use acrypto_core::status::Status;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use std::sync::Mutex;
use std::time::Instant;

/// A request that Python must complete exactly once. Dropping it uncompleted fails its operation with DeviceLost.
#[pyclass(frozen, module = "acrypto._core")]
pub struct Job {
    request: Mutex<Option<Request>>,
    started: Instant,
    direction: &'static str,
    #[pyo3(get)]
    algorithm: String,
    params: Params,
    #[pyo3(get)]
    max_output: u64,
    /// Whether more requests stood behind it when it was taken: OCF's CRYPTO_HINT_MORE.
    #[pyo3(get)]
    more: bool,
}

impl Job {
    pub fn new(request: Request, more: bool) -> Self {
        let mut job = Self {
            request: Mutex::new(None),
            started: Instant::now(),
            direction: "",
            algorithm: String::new(),
            params: Params::default(),
            max_output: 0,
            more,
        };
        if let (Work::Transform { direction, max_output }, Some(transform)) = (&request.work, request.place.transform())
        {
            job.direction = if *direction == Direction::Generate { "random" } else { direction.name() };
            job.max_output = *max_output;
            if let Some((name, params)) = transform.recipe() {
                job.algorithm = name.to_string();
                job.params = params.clone();
            }
        }
        if let Some(status) = request.must_not_start() {
            request.fail(status);
        } else {
            job.request = Mutex::new(Some(request));
        }
        job
    }

    /// A result's bytes, held to the limits of the request.
    fn accept(&self, unit: &mut Unit, bytes: &[u8]) -> UnitResult {
        if self.direction == Direction::Decompress.name() && bytes.len() as u64 > self.max_output {
            return Err(Status::LimitExceeded { limit: self.max_output });
        }
        unit.output.exactly(bytes.len())?.copy_from_slice(bytes);
        count(Place::Aside, bytes.len());
        unit.output.set_len(bytes.len());
        Ok((unit.take_output(), Facts::default()))
    }

    fn take(&self) -> Option<Request> {
        lock(&self.request).take()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // What is dropped goes on elsewhere, or ends, on this thread: others may need the interpreter for that.
        if let Some(request) = self.take() {
            Python::try_attach(|py| py.detach(|| drop(request)));
        }
    }
}

#[pymethods]
impl Job {
    /// What is asked: `compress`, `decrypt`, `digest` ...
    #[getter]
    fn operation(&self) -> &'static str {
        self.direction
    }

    /// Whether it still wants to be completed; false if it was cancelled or expired before it came here, or was done
    /// elsewhere since.
    #[getter]
    fn is_open(&self) -> bool {
        lock(&self.request).as_ref().is_some_and(is_wanted)
    }

    /// The transform's parameters by name, the key among them.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        let params = &self.params;
        if let Some(key) = &params.key {
            dict.set_item("key", PyBytes::new(py, key))?;
        }
        for (name, number) in [
            ("level", params.level.map(i64::from)),
            ("tag_len", params.tag_len.map(|n| n as i64)),
            ("digest_size", params.digest_size.map(|n| n as i64)),
            ("window", params.window.map(i64::from)),
            ("unit", params.unit.map(|n| n as i64)),
        ] {
            if let Some(number) = number {
                dict.set_item(name, number)?;
            }
        }
        for (name, text) in [("strategy", &params.strategy), ("hash", &params.hash), ("padding", &params.padding)] {
            if let Some(text) = text {
                dict.set_item(name, text)?;
            }
        }
        Ok(dict)
    }

    /// The messages: tuples of (source, nonce, ad, tag), copied.
    #[getter]
    fn units<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut copies: Vec<[Vec<u8>; 4]> = Vec::new();
        if let Some(request) = lock(&self.request).as_ref() {
            for unit in request.units.iter() {
                let call = unit.call(Direction::Digest, 0);
                let (mut gathered, mut ad) = (Vec::new(), Vec::new());
                let parts = [call.source.contiguous(&mut gathered), call.nonce, call.ad.contiguous(&mut ad), call.tag];
                copies.push(parts.map(<[u8]>::to_vec));
            }
        }
        // The lock is not held here: making objects may run any Python code.
        let list = PyList::empty(py);
        for parts in copies {
            list.append(PyTuple::new(py, parts.map(|part| PyBytes::new(py, &part)))?)?;
        }
        Ok(list)
    }

    /// Ends the request: one result for each unit, bytes or an exception of ours. Returns false if it was ended before.
    fn complete(&self, py: Python<'_>, results: Bound<'_, PyList>) -> PyResult<bool> {
        let Some(mut request) = self.take() else { return Ok(false) };
        let is_wanted = is_wanted(&request);
        let given = results.len();
        let mut ended: Vec<UnitResult> = Vec::with_capacity(request.units.len());
        for (index, unit) in request.units.iter_mut().enumerate() {
            let Ok(result) = results.get_item(index) else {
                ended.push(Err(Status::Internal(format!("an engine gave {given} results, too few"))));
                continue;
            };
            ended.push(if result.is_instance_of::<PyBaseException>() {
                Err(status_of(&result))
            } else {
                match Pins::short::<Vec<u8>>(Some(&result)) {
                    Ok(bytes) => self.accept(unit, &bytes),
                    Err(_) => Err(Status::Internal("an engine gave a result that is no bytes".into())),
                }
            });
        }
        let started = self.started;
        py.detach(|| request.complete(ended, started));
        Ok(is_wanted)
    }
}

/// Whether a request was neither given up nor done elsewhere meanwhile.
fn is_wanted(request: &Request) -> bool {
    request.watch().is_none_or(|watch| watch.is_away())
}

/// The status that an exception given by a Python engine stands for.
fn status_of(exception: &Bound<'_, PyAny>) -> Status {
    let name = exception.get_type().name().map(|name| name.to_string()).unwrap_or_default();
    let message = exception.str().map(|text| text.to_string()).unwrap_or_default();
    match name.as_str() {
        "UsageError" => Status::Usage(message),
        "AuthenticationError" => Status::AuthenticationFailed,
        "CorruptInput" => {
            let offset = exception.getattr("offset").and_then(|offset| offset.extract()).unwrap_or(0);
            Status::Corrupt { offset, what: "damaged input" }
        }
        "OutputTooSmall" => Status::OutputTooSmall { capacity: 0 },
        "LimitExceeded" => {
            Status::LimitExceeded { limit: exception.getattr("limit").and_then(|l| l.extract()).unwrap_or(0) }
        }
        "DeviceLost" => Status::DeviceLost(message),
        "DeadlineExceeded" => Status::DeadlineExceeded,
        "NoEngine" => Status::NoEngine(message),
        "QueueFull" => Status::QueueFull(message),
        "UnknownAlgorithm" => Status::UnknownAlgorithm(message),
        "InternalError" => Status::Internal(message),
        _ => Status::Engine { engine: name, what: message },
    }
}
