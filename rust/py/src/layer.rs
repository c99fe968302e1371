//! The opened layer and its engines, as Python holds them.

use crate::buffer::Pins;
use crate::convert::params;
use crate::delivery::{Delivery, Mode};
use crate::error::{OrRaise, raise};
use crate::gather::Member;
use crate::harvest::{Harvest, Shape as Given};
use crate::job::Job;
use crate::operation::Operation;
use crate::port::{Ports, lock};
use crate::transform::Transform;
use acrypto_core::alg;
use acrypto_core::device::{Device, Options};
use acrypto_core::engine::{Engine as CoreEngine, Limits, Offer};
use acrypto_core::engines::external::External;
use acrypto_core::engines::faulty::{Fault, Faulty, Kind};
use acrypto_core::engines::host::Host;
use acrypto_core::engines::null::Null;
use acrypto_core::engines::pcrypt::Pcrypt;
use acrypto_core::engines::software::Software;
use acrypto_core::layer as core;
use acrypto_core::operation as op;
use acrypto_core::queue::Budget;
use acrypto_core::status::{Outcome, Status};
use acrypto_core::template::Shape;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// An engine of the core, not opened yet.
#[pyclass(frozen, module = "acrypto._core")]
pub struct Engine {
    inner: Arc<dyn CoreEngine>,
    external: bool,
}

#[pymethods]
impl Engine {
    /// The CPU, with the libraries built in.
    #[staticmethod]
    fn software() -> Self {
        Self { inner: Arc::new(Software), external: false }
    }

    /// Does nothing, at once.
    #[staticmethod]
    #[pyo3(signature = (*, inline = true))]
    fn null(inline: bool) -> Self {
        Self { inner: Arc::new(Null { inline }), external: false }
    }

    /// Misbehaves on a schedule of `(kind, every, after, times, seconds)`.
    #[staticmethod]
    fn faulty(py: Python<'_>, inner: &Engine, schedule: Vec<(String, u64, u64, u64, f64)>) -> PyResult<Self> {
        let mut faults = Vec::new();
        for (kind, every, after, times, seconds) in schedule {
            let kind = match kind.as_str() {
                "refuse" => Kind::Refuse,
                "delay" => Kind::Delay(Duration::try_from_secs_f64(seconds).unwrap_or_default()),
                "fail" => Kind::Fail,
                "corrupt" => Kind::Corrupt,
                "drop" => Kind::Drop,
                "duplicate" => Kind::Duplicate,
                "die" => Kind::Die,
                _ => return Err(Status::usage(format!("no fault is called {kind:?}"))).or_raise(py),
            };
            faults.push(Fault { kind, every, after, times, done: AtomicU64::new(0) });
        }
        Ok(Self { inner: Arc::new(Faulty::new(Arc::clone(&inner.inner), faults)), external: false })
    }

    /// Fed from Python.
    #[staticmethod]
    fn external(name: String) -> Self {
        Self { inner: Arc::new(External { name }), external: true }
    }

    /// Runs compositions that no engine runs by itself: `template` those whose parts are on several devices, `cryptd` from
    /// its queue, `pcrypt` on so many threads and in order.
    #[staticmethod]
    fn host(py: Python<'_>, name: &str, threads: usize) -> PyResult<Self> {
        let inner: Arc<dyn CoreEngine> = match name {
            "template" => Arc::new(Host { name: "template" }),
            "cryptd" => Arc::new(Host { name: "cryptd" }),
            "pcrypt" => Arc::new(Pcrypt::new(threads).map_err(|error| PyOSError::new_err(error.to_string()))?),
            _ => return Err(Status::usage(format!("no host is called {name:?}"))).or_raise(py),
        };
        Ok(Self { inner, external: false })
    }

    /// Many messages at once, by a library that is found at run time; raises the reason if it is not.
    #[staticmethod]
    fn multibuffer(py: Python<'_>) -> PyResult<Self> {
        Ok(Self { inner: crate::multibuffer::engine().or_raise(py)?, external: false })
    }

    /// Over the queues that are bound to a driver.
    #[staticmethod]
    fn iaa(driver: &crate::iaa::IaaDriver) -> Self {
        Self { inner: Arc::new(driver.engine()), external: false }
    }

    /// An accelerator that does not exist, with knobs turned as `(knob, value)` says.
    #[staticmethod]
    #[pyo3(signature = (*, name, priority, algorithms, seed, knobs))]
    fn simulated(
        py: Python<'_>,
        name: String,
        priority: i32,
        algorithms: Option<Vec<String>>,
        seed: u64,
        knobs: Vec<(String, f64)>,
    ) -> PyResult<Self> {
        let inner = crate::simulated::simulated(name, priority, algorithms, seed, knobs).or_raise(py)?;
        Ok(Self { inner, external: false })
    }

    /// Turns a knob, while it runs or before.
    fn tune(&self, py: Python<'_>, knob: &str, value: f64) -> PyResult<()> {
        // What it lets go of may go on elsewhere, on this thread.
        py.detach(|| self.inner.tune(knob, value)).or_raise(py)
    }

    /// Raises what is wrong with it.
    fn health(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.health()).or_raise(py)
    }

    /// Lets it take work again after it died.
    fn revive(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.revive()).or_raise(py)
    }

    /// What it can do.
    fn offers(&self) -> Vec<OfferRow> {
        self.inner.offers().into_iter().map(row).collect()
    }

    /// Whether short work may run on the caller's own thread.
    #[getter]
    fn runs_inline(&self) -> bool {
        self.inner.runs_inline()
    }
}

/// Algorithm, kind, driver, priority, whether it is insecure, and block, digest, nonce and tag sizes.
/// Last the limits: most bytes, most requests on the device, directions as bits, whether it may be repeated.
type OfferRow = (String, String, String, i32, bool, (usize, usize, usize, usize), LimitsRow);
type LimitsRow = (u64, usize, u16, bool);

fn offer(row: OfferRow) -> Outcome<Offer> {
    let (algorithm, kind, driver, priority, insecure, (block, digest, nonce, tag), limits) = row;
    let (max_bytes, queue, directions, repeatable) = limits;
    let known = alg::Kind::ALL.iter().find(|known| known.name() == kind);
    let Some(&kind) = known else {
        return Err(Status::usage(format!("no kind of algorithm is called {kind:?}")));
    };
    let limits = Limits { max_bytes, queue, directions, repeatable };
    let shape = Shape { block, digest, nonce, tag };
    Ok(Offer { algorithm, kind, driver, priority, insecure, shape, limits })
}

fn row(offer: Offer) -> OfferRow {
    let Offer { algorithm, kind, driver, priority, insecure, shape, limits } = offer;
    let sizes = (shape.block, shape.digest, shape.nonce, shape.tag);
    let limits = (limits.max_bytes, limits.queue, limits.directions, limits.repeatable);
    (algorithm, kind.name().into(), driver, priority, insecure, sizes, limits)
}

/// What transforms and streams share of a layer.
pub struct Shared {
    pub core: Arc<core::Layer>,
    pub ports: Arc<Ports>,
    pub max_output: u64,
    /// How long operations are put off to be run together; zero for not at all.
    pub gather: Duration,
    clients: Mutex<Clients>,
}

/// Clients by name, and the shares that they were given.
#[derive(Default)]
struct Clients {
    numbers: HashMap<String, u32>,
    weights: Vec<(u32, u32)>,
}

impl Shared {
    /// Makes a pending operation, enters it in the table and submits it; undoes both if the submission is refused.
    pub fn launch(
        &self,
        py: Python<'_>,
        event_loop: Option<Bound<'_, PyAny>>,
        harvest: Harvest,
        pins: Pins,
        delivery: Delivery,
        submit: impl FnOnce(op::Hold) -> Outcome<()> + Send,
    ) -> PyResult<Py<Operation>> {
        let port = self.ports.teller(event_loop.as_ref(), &delivery)?;
        let (is_inline, detach) = (delivery.mode == Mode::Inline, delivery.detach);
        if event_loop.is_none() {
            self.ports.drain_threads(py);
        }
        let token = self.ports.reserve();
        let (core, hold) = op::Operation::new(Some(port), token);
        let operation = Operation::pending(
            Arc::clone(&core),
            event_loop.map(Bound::unbind),
            Arc::clone(&self.ports),
            harvest,
            pins,
            delivery,
        );
        let operation = Py::new(py, operation)?;
        // Entered before it is submitted: the completion may come before `submit` returns.
        self.ports.enter(token, operation.clone_ref(py));
        let submitted = if detach { py.detach(|| submit(hold)) } else { submit(hold) };
        if let Err(status) = submitted {
            self.ports.leave(token);
            if self.core.alive().is_err() {
                self.ports.unregister(py); // closed meanwhile: the ring just made would stay on its loop
            }
            return Err(raise(py, &status));
        }
        if is_inline {
            operation.get().settle_here(py)?;
            // Its ring may be drained by another thread, which calls back then; one of the two does.
            operation.get().finish(py, &operation, core.is_released());
            self.ports.drain_threads(py);
        }
        Ok(operation)
    }

    /// Makes a pending operation and puts it off until others have come, or none come.
    pub fn put_off(
        &self,
        py: Python<'_>,
        event_loop: Bound<'_, PyAny>,
        shape: Given,
        pins: Pins,
        work: core::Gathered,
        waits_turn: bool,
    ) -> PyResult<Py<Operation>> {
        let (core, hold) = op::Operation::new(None, 0);
        let own_loop = Some(event_loop.clone().unbind());
        let ports = Arc::clone(&self.ports);
        let operation = Operation::put_off(core, own_loop, ports, shape, pins, waits_turn);
        let operation = Py::new(py, operation)?;
        let member = Member { operation: operation.clone_ref(py), hold, work };
        if self.ports.gathering.enter(&self.ports, &event_loop, member, self.gather)? {
            self.ports.gather_now(py);
        }
        Ok(operation)
    }

    /// The number of a client, given to it on first sight; 0 is nobody.
    pub fn client(&self, name: &str) -> u32 {
        let mut clients = lock(&self.clients);
        let next = u32::try_from(clients.numbers.len()).unwrap_or(u32::MAX - 1) + 1;
        *clients.numbers.entry(name.to_string()).or_insert(next)
    }

    /// Gives a client a share, on every device there is and will be.
    pub fn weigh(&self, name: &str, weight: u32) {
        let number = self.client(name);
        let mut clients = lock(&self.clients);
        clients.weights.retain(|(known, _)| *known != number);
        clients.weights.push((number, weight));
        drop(clients);
        self.core.set_weight(number, weight);
    }
}

/// Devices, queues and completion rings, opened and closed together. Shareable between threads.
#[pyclass(frozen, weakref, module = "acrypto._core")]
pub struct Layer {
    pub shared: Arc<Shared>,
}

impl Layer {
    /// Refuses in a forked child, where locks may be held by threads that do not exist.
    pub fn ours(&self, py: Python<'_>) -> PyResult<()> {
        if self.shared.core.is_ours() { Ok(()) } else { self.shared.core.alive().or_raise(py) }
    }

    pub fn device(&self, py: Python<'_>, name: &str) -> PyResult<Arc<Device>> {
        self.ours(py)?;
        let found = self.shared.core.devices().into_iter().find(|device| *device.name == *name);
        if found.is_none() {
            self.shared.core.alive().or_raise(py)?;
        }
        found.ok_or_else(|| raise(py, &Status::NoEngine(format!("no device is called {name:?}"))))
    }
}

#[pymethods]
impl Layer {
    #[new]
    #[pyo3(signature = (
        *, inline_ns, pool_bytes, max_output, allow_insecure,
        attempts = 3, crosscheck = 0, quarantine_errors = 4, quarantine_factor = 50.0, trickle = 16, gather_ns = 0
    ))]
    #[allow(clippy::too_many_arguments)] // settings, by name
    fn new(
        inline_ns: u64,
        pool_bytes: usize,
        max_output: u64,
        allow_insecure: bool,
        attempts: u32,
        crosscheck: u64,
        quarantine_errors: u32,
        quarantine_factor: f64,
        trickle: u32,
        gather_ns: u64,
    ) -> PyResult<Self> {
        let core = core::Layer::new(core::Settings {
            inline_ns,
            pool_bytes,
            allow_insecure,
            attempts,
            crosscheck,
            quarantine_errors,
            quarantine_factor,
            trickle,
        });
        let ports = Arc::new(Ports::new()?);
        let shared = Arc::new(Shared {
            core,
            ports,
            max_output,
            gather: Duration::from_nanos(gather_ns),
            clients: Mutex::default(),
        });
        shared.ports.settle_in(Arc::downgrade(&shared));
        Ok(Self { shared })
    }

    /// Opens an engine as a device with its queue and workers.
    #[pyo3(signature = (name, engine, *, workers, operations, queue_bytes, spin_ns, burst, lost_after, aging_ns = 0))]
    #[allow(clippy::too_many_arguments)] // settings, by name
    fn add_device(
        &self,
        py: Python<'_>,
        name: &str,
        engine: &Engine,
        workers: usize,
        operations: usize,
        queue_bytes: usize,
        spin_ns: u64,
        burst: usize,
        lost_after: f64,
        aging_ns: u64,
    ) -> PyResult<()> {
        self.shared.core.alive().or_raise(py)?;
        if self.shared.core.devices().iter().any(|device| *device.name == *name) {
            return Err(raise(py, &Status::usage(format!("a device is already called {name:?}"))));
        }
        let options = Options {
            workers: if engine.external { 0 } else { workers },
            budget: Budget { operations, bytes: queue_bytes },
            spin: Duration::from_nanos(spin_ns),
            burst,
            lost_after: Duration::try_from_secs_f64(lost_after).unwrap_or(Duration::MAX),
            aging: (aging_ns > 0).then(|| Duration::from_nanos(aging_ns)),
        };
        let device = Device::open(name, Arc::clone(&engine.inner), options);
        let device = device.map_err(|error| PyOSError::new_err(error.to_string()))?;
        self.shared.core.add_device(&device);
        for &(client, weight) in &lock(&self.shared.clients).weights {
            device.queue.set_weight(client, weight);
        }
        Ok(())
    }

    /// Closes a device whose bids were withdrawn, and forgets it.
    fn remove_device(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let device = self.device(py, name)?;
        py.detach(|| self.shared.core.remove_device(&device));
        Ok(())
    }

    /// How many messages a device does at once in one thread.
    fn lanes(&self, py: Python<'_>, device: &str) -> PyResult<usize> {
        Ok(self.device(py, device)?.engine.lanes())
    }

    /// Enters offers of a device, hidden; their numbers, in order.
    fn register(&self, py: Python<'_>, device: &str, offers: Vec<OfferRow>) -> PyResult<Vec<u64>> {
        let device = self.device(py, device)?;
        let offers = offers.into_iter().map(offer).collect::<Outcome<_>>().or_raise(py)?;
        Ok(self.shared.core.registry.enter(&device, offers))
    }

    /// Enters what a template makes of other bids, hidden. None if one of them has left.
    fn compose(
        &self,
        py: Python<'_>,
        device: &str,
        made: OfferRow,
        template: &str,
        parts: Vec<u64>,
    ) -> PyResult<Option<u64>> {
        let device = self.device(py, device)?;
        Ok(self.shared.core.registry.compose(&device, offer(made).or_raise(py)?, template, &parts))
    }

    /// Lets allocations find a bid.
    fn publish(&self, bid: u64) {
        self.shared.core.registry.publish(bid, true);
    }

    /// Lets allocations no longer find a bid.
    fn hide(&self, bid: u64) {
        self.shared.core.registry.publish(bid, false);
    }

    /// Takes a bid out of all lookup. Who uses it goes on.
    fn withdraw(&self, bid: u64) {
        self.shared.core.registry.withdraw(bid);
    }

    /// Waits until nobody uses a withdrawn bid any more; false if the time runs out first.
    #[pyo3(signature = (bid, seconds = None))]
    fn wait_free(&self, py: Python<'_>, bid: u64, seconds: Option<f64>) -> bool {
        let timeout = seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
        py.detach(|| self.shared.core.registry.wait_free(bid, timeout))
    }

    /// Transforms and compositions that hold a bid.
    fn users(&self, bid: u64) -> usize {
        self.shared.core.registry.users(bid)
    }

    /// Binds parameters and key to one bid, published or not: how it is proven.
    #[pyo3(signature = (bid, **parameters))]
    fn transform_of(&self, py: Python<'_>, bid: u64, parameters: Option<&Bound<'_, PyDict>>) -> PyResult<Transform> {
        let params = params(py, parameters)?;
        // Keying a composition may wait for an engine that is written in Python.
        let recipe = py.detach(|| self.shared.core.bind_bid(bid, params)).or_raise(py)?;
        Ok(Transform { layer: Arc::clone(&self.shared), recipe: Arc::new(recipe) })
    }

    /// Binds parameters and key to an algorithm.
    #[pyo3(signature = (name, **parameters))]
    fn transform(&self, py: Python<'_>, name: &str, parameters: Option<&Bound<'_, PyDict>>) -> PyResult<Transform> {
        let params = params(py, parameters)?;
        let recipe = py.detach(|| self.shared.core.bind(name, params)).or_raise(py)?;
        Ok(Transform { layer: Arc::clone(&self.shared), recipe: Arc::new(recipe) })
    }

    /// Random bytes as an operation.
    #[pyo3(signature = (nbytes, *, device = None))]
    fn random(&self, py: Python<'_>, nbytes: u64, device: Option<&str>) -> PyResult<Py<Operation>> {
        let recipe = py.detach(|| self.shared.core.bind("drbg", Default::default())).or_raise(py)?;
        let transform = Transform { layer: Arc::clone(&self.shared), recipe: Arc::new(recipe) };
        transform.generate(py, nbytes, device)
    }

    /// Random bytes of one bid.
    fn random_of(&self, py: Python<'_>, bid: u64, nbytes: u64) -> PyResult<Py<Operation>> {
        let recipe = py.detach(|| self.shared.core.bind_bid(bid, Default::default())).or_raise(py)?;
        Transform { layer: Arc::clone(&self.shared), recipe: Arc::new(recipe) }.generate(py, nbytes, None)
    }

    /// Operations whose memory is pinned, and bytes that lie unused in the pool.
    fn pinned(&self, py: Python<'_>) -> PyResult<(usize, usize)> {
        self.ours(py)?;
        self.shared.ports.settle_threads(py);
        self.shared.ports.forget_closed(py);
        Ok((self.shared.ports.num_in_flight(), self.shared.core.pool.idle_bytes()))
    }

    /// Takes requests for an external device: waits until there are some; an empty list means that it was closed.
    fn take_jobs(&self, py: Python<'_>, name: &str, most: usize) -> PyResult<Vec<Job>> {
        self.ours(py)?;
        let devices = self.shared.core.devices();
        let Some(device) = devices.into_iter().find(|device| *device.name == *name) else {
            return Ok(Vec::new()); // removed meanwhile
        };
        let mut burst = py.detach(|| device.queue.take(1..=most, 1, || false));
        while !burst.is_empty() && !device.is_running() {
            let lost = burst;
            burst = py.detach(|| {
                device.lose_all(lost);
                device.queue.take(1..=most, 1, || false)
            });
        }
        let load = device.queue.load();
        let more = load.queued + load.waiting > 0;
        burst.iter_mut().for_each(|request| device.start_one(request));
        let last = burst.len();
        Ok(burst.into_iter().zip(1..).map(|(request, index)| Job::new(request, more || index < last)).collect())
    }

    /// Whether the layer may be used: not closed, and opened by this process.
    #[getter]
    fn is_open(&self) -> bool {
        self.shared.core.alive().is_ok()
    }

    /// Whether this process opened it.
    #[getter]
    fn is_ours(&self) -> bool {
        self.shared.core.is_ours()
    }

    /// Fails what is queued, waits for what runs, ends the workers. Idempotent; a forked child does nothing.
    fn close(&self, py: Python<'_>) {
        if self.shared.core.alive().is_ok() {
            self.shared.ports.gather_now(py); // it was submitted, and would have been done by now
        }
        py.detach(|| self.shared.core.close());
    }

    /// Lets go of what is pinned and takes the rings off their event loops. After `close`.
    fn unregister(&self, py: Python<'_>) {
        if self.shared.core.is_ours() {
            self.shared.ports.abandon(py);
            self.shared.ports.drain_all(py);
            self.shared.ports.unregister(py);
        }
    }
}
