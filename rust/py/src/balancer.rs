//! Balancers, ours and those written in Python.

use acrypto_core::balancers as core;
use acrypto_core::balancers::{Asked, BySize, Choice, Event, Failover, Fastest, RoundRobin, Seat, Simple};
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::sync::Arc;

/// A policy that picks a device for each request.
#[pyclass(frozen, module = "acrypto._core")]
pub struct Balancer {
    pub inner: Arc<dyn core::Balancer>,
}

#[pymethods]
impl Balancer {
    /// The fewest requests; the first of equals.
    #[staticmethod]
    fn simple() -> Self {
        Self { inner: Arc::new(Simple) }
    }

    /// Who is predicted to finish first.
    #[staticmethod]
    fn fastest() -> Self {
        Self { inner: Arc::new(Fastest) }
    }

    /// Each in turn.
    #[staticmethod]
    fn round_robin() -> Self {
        Self { inner: Arc::new(RoundRobin::default()) }
    }

    /// One device for what is smaller than `threshold` bytes, another for the rest.
    #[staticmethod]
    fn by_size(threshold: usize, small: String, large: String) -> Self {
        Self { inner: Arc::new(BySize { threshold, small, large }) }
    }

    /// The first of an order that is there and has room.
    #[staticmethod]
    fn failover(order: Vec<String>) -> Self {
        Self { inner: Arc::new(Failover { order }) }
    }

    /// A Python object with `name`, `find_device(request, devices)` and `rehash(event)`.
    #[staticmethod]
    fn python(object: Bound<'_, PyAny>) -> PyResult<Self> {
        let name = object.getattr("name")?.extract()?;
        Ok(Self { inner: Arc::new(Foreign { name, object: object.unbind() }) })
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        self.inner.name()
    }
}

/// A request, as a balancer sees it.
#[pyclass(frozen, module = "acrypto._core", get_all)]
pub struct RequestView {
    algorithm: String,
    direction: &'static str,
    nbytes: usize,
    priority: i32,
    /// Whose work it is; 0 for nobody's in particular.
    client: u32,
    /// The process that asks.
    pid: u32,
    /// Devices of the layer, those that cannot take this request among them.
    device_count: usize,
}

/// A device that could take a request, as a balancer sees it.
#[pyclass(frozen, module = "acrypto._core", get_all)]
pub struct DeviceView {
    name: String,
    engine: String,
    number: u32,
    priority: i32,
    operations: usize,
    ready_ns: u64,
    run_ns: u64,
    samples: u32,
    has_room: bool,
}

/// One written in Python. Whoever places a request through it takes the GIL; nobody else does.
struct Foreign {
    name: String,
    object: Py<PyAny>,
}

impl Foreign {
    fn ask(&self, py: Python<'_>, asked: &Asked<'_>, seats: &[Seat<'_>]) -> PyResult<Option<(usize, &'static str)>> {
        let request = RequestView {
            algorithm: asked.algorithm.to_string(),
            direction: asked.direction.name(),
            nbytes: asked.bytes,
            priority: asked.priority,
            client: asked.client,
            device_count: asked.device_count,
            pid: std::process::id(),
        };
        let views = PyList::empty(py);
        for seat in seats {
            views.append(DeviceView {
                name: seat.device.to_string(),
                engine: seat.engine.to_string(),
                number: seat.number,
                priority: seat.priority,
                operations: seat.operations,
                ready_ns: seat.ready_ns,
                run_ns: seat.run_ns,
                samples: seat.samples,
                has_room: seat.has_room,
            })?;
        }
        let found = self.object.bind(py).call_method1("find_device", (request, views))?;
        if found.is_none() {
            return Ok(None);
        }
        // An answer that is no device of these must not stop the work: the strongest serves.
        let strange = (0, "the balancer named no device that is there; the strongest serves");
        let chosen = |seat| (seat, "chosen by a balancer written in Python");
        if let Ok(index) = found.extract::<usize>() {
            return Ok(Some(if index < seats.len() { chosen(index) } else { strange }));
        }
        let name = match found.cast::<DeviceView>() {
            Ok(view) => view.get().name.clone(),
            Err(_) => found.extract::<String>().unwrap_or_default(),
        };
        Ok(Some(seats.iter().position(|seat| seat.device == name).map_or(strange, chosen)))
    }
}

impl core::Balancer for Foreign {
    fn name(&self) -> &str {
        &self.name
    }

    fn find_device(&self, asked: &Asked<'_>, seats: &[Seat<'_>]) -> Option<Choice> {
        let found = Python::try_attach(|py| {
            self.ask(py, asked, seats).unwrap_or_else(|error| {
                // A policy with a mistake in it must not stop the work: the strongest device serves.
                error.write_unraisable(py, Some(self.object.bind(py)));
                Some((0, "the balancer raised; the strongest serves"))
            })
        });
        found.flatten().map(|(seat, reason)| Choice { seat, reason })
    }

    fn rehash(&self, event: Event<'_>) -> bool {
        let word = match event {
            Event::Arrived(_) => "arrived",
            Event::Broke(_) => "broke",
            Event::Left(_) => "left",
        };
        let asked = Python::try_attach(|py| {
            let object = self.object.bind(py);
            let answer = object.call_method1("rehash", (word,));
            answer.and_then(|answer| if answer.is_none() { Ok(true) } else { answer.is_truthy() }).unwrap_or_else(
                |error| {
                    error.write_unraisable(py, Some(object));
                    true
                },
            )
        });
        asked.unwrap_or(false)
    }
}
