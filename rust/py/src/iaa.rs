//! The driver of Intel's analytics accelerator: its queues and settings, and single messages with the kernel's manners.

use crate::buffer::{Buffer, Pins};
use crate::convert::{number, params};
use crate::error::{OrRaise, raise};
use crate::idxd::IdxdQueue;
use crate::port::lock;
use acrypto_core::alg::Direction;
use acrypto_core::alg::huffman::Lengths;
use acrypto_core::buffer::{Output, Pool, Source};
use acrypto_core::engine::intern;
use acrypto_core::engines::iaa::driver::{Driver, Patience, SyncMode};
use acrypto_core::engines::iaa::form::Form;
use acrypto_core::engines::iaa::table::{Mapping, Topology};
use acrypto_core::engines::iaa::task::{Begun, Message, Task};
use acrypto_core::engines::iaa::trouble::{Ended, Trouble};
use acrypto_core::engines::iaa::{Iaa, MOST_PATIENCE_MS, mode_of};
use acrypto_core::idxd::cdev::HardwareQueue;
use acrypto_core::idxd::first_light;
use acrypto_core::idxd::port::{Abilities, Mode, QueueInfo};
use acrypto_core::status::Status;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn os_error(trouble: Trouble) -> PyErr {
    PyOSError::new_err((trouble.errno(), trouble.told()))
}

/// By package if it says how; see [`IaaDriver::new`].
fn mapping_of(packages: Option<(usize, bool, bool)>) -> Mapping {
    packages.map_or(Mapping::Nodes, |(comp_wqs_per_iaa, distribute_comps, distribute_decomps)| Mapping::Packages {
        comp_wqs_per_iaa,
        distribute_comps,
        distribute_decomps,
    })
}

fn direction_of(compress: bool) -> Direction {
    if compress { Direction::Compress } else { Direction::Decompress }
}

/// The driver that all queues of one engine are bound to. Its methods may be called from any thread.
///
/// Refusals are `OSError` with the number that Linux's driver gives.
#[pyclass(frozen, module = "acrypto._core")]
pub struct IaaDriver {
    driver: Arc<Driver>,
    pool: Arc<Pool>,
}

impl IaaDriver {
    pub fn engine(&self) -> Iaa {
        Iaa::new(Arc::clone(&self.driver))
    }
}

#[pymethods]
impl IaaDriver {
    /// `nodes` are the CPUs of each NUMA node, or none for this machine's; `packages` says that queues are spread by
    /// package: how many of a device's compress only, and whether each direction is spread over all devices.
    #[new]
    #[pyo3(signature = (*, shape=None, packages=None))]
    fn new(shape: Option<(usize, usize)>, packages: Option<(usize, bool, bool)>) -> Self {
        let topology = shape.map_or_else(Topology::system, |(nodes, cpus)| Topology::even(nodes, cpus));
        let mapping = mapping_of(packages);
        Self { driver: Arc::new(Driver::new(topology, mapping)), pool: Pool::new(1 << 20) }
    }

    /// A driver for another machine: so many packages of so many cores of so many threads.
    #[staticmethod]
    fn for_server(packages: usize, cores: usize, threads: usize, mapping: Option<(usize, bool, bool)>) -> Self {
        let mapping = mapping_of(mapping);
        let topology = Topology::server(packages, cores, threads);
        Self { driver: Arc::new(Driver::new(topology, mapping)), pool: Pool::new(1 << 20) }
    }

    /// Takes a queue.
    fn bind(&self, py: Python<'_>, queue: &IdxdQueue) -> PyResult<()> {
        let queue = Arc::clone(&queue.queue);
        py.detach(|| self.driver.bind(queue)).map_err(os_error)
    }

    /// Lets a queue go; what is under way in it ends as it ends.
    fn unbind(&self, py: Python<'_>, device_id: u32, queue_id: u32) -> PyResult<()> {
        py.detach(|| self.driver.unbind(device_id, queue_id)).map(drop).map_err(os_error)
    }

    #[getter]
    fn enabled(&self) -> bool {
        self.driver.is_enabled()
    }

    /// Whether it was enabled once, so that its algorithms are listed.
    #[getter]
    fn registered(&self) -> bool {
        self.driver.is_registered()
    }

    /// Why it disabled itself.
    #[getter]
    fn trouble(&self) -> Option<&'static str> {
        self.driver.trouble()
    }

    #[getter]
    fn verify_compress(&self) -> bool {
        self.driver.settings().verify
    }

    fn set_verify_compress(&self, verify: bool) -> PyResult<()> {
        self.driver.set_verify(verify).map_err(os_error)
    }

    #[getter]
    fn sync_mode(&self) -> &'static str {
        self.driver.settings().sync_mode.name()
    }

    fn set_sync_mode(&self, mode: &str) -> PyResult<()> {
        let known = SyncMode::ALL.iter().find(|(name, _)| *name == mode);
        let Some((_, mode)) = known else {
            return Err(PyOSError::new_err((
                22,
                format!("sync_mode is {mode:?}; it must be sync, async or async_irq"),
            )));
        };
        self.driver.set_sync_mode(*mode).map_err(os_error)
    }

    /// Looks in vain, and milliseconds, after which a device counts as stuck; a usage error beyond 1 to 2^32 - 1, 0 to
    /// 600 000.
    fn set_patience(&self, polls: &Bound<'_, PyAny>, ms: f64) -> PyResult<()> {
        let (py, range) = (polls.py(), format!("1 to {}", u32::MAX));
        let polls: u32 = number("polls", polls, &range)?;
        if polls < 1 {
            return Err(Status::Usage(format!("polls is {polls}; it must be in {range}"))).or_raise(py);
        }
        if !(0.0..=MOST_PATIENCE_MS).contains(&ms) {
            return Err(Status::Usage(format!("ms is {ms}; it must be in 0 to {MOST_PATIENCE_MS}"))).or_raise(py);
        }
        self.driver.set_patience(polls, Duration::from_micros((ms * 1e3) as u64));
        Ok(())
    }

    /// Takes up queues again whose device answers again; whether any does.
    fn revive(&self, py: Python<'_>) -> bool {
        py.detach(|| self.driver.revive())
    }

    /// The queues that a CPU goes round in, by device and queue.
    fn table(&self, cpu: usize, compress: bool) -> Vec<(u32, u32)> {
        self.driver.table(cpu, direction_of(compress))
    }

    /// CPUs that share a device, and those whose turn came after the last one.
    fn plan(&self) -> (usize, Vec<usize>) {
        self.driver.plan().map_or((0, Vec::new()), |plan| (plan.cpus_per_iaa, plan.fell_back))
    }

    /// Bound queues with what is under way in each, and the free records of each.
    fn in_flight(&self) -> Vec<((u32, u32), usize, usize)> {
        let (_, queues) = self.driver.queues();
        queues.iter().map(|queue| (queue.id(), queue.in_flight(), queue.slots.num_free())).collect()
    }

    /// Adds a way to compress, by the lengths of 286 codes of literals and lengths and of 30 of distances.
    fn add_compression_mode(&self, name: &str, literals: Vec<u8>, distances: Vec<u8>) -> PyResult<()> {
        let (Ok(literals), Ok(distances)) = (literals.try_into(), distances.try_into()) else {
            return Err(os_error(Trouble::Wrong));
        };
        self.driver.add_mode(name, &Lengths { literals, distances }).map_err(os_error)
    }

    fn remove_compression_mode(&self, name: &str) -> PyResult<()> {
        self.driver.remove_mode(name).map_err(os_error)
    }

    #[getter]
    fn compression_modes(&self) -> Vec<&'static str> {
        self.driver.modes()
    }

    fn global_stats(&self) -> String {
        self.driver.statistics.global_stats()
    }

    fn wq_stats(&self) -> String {
        self.driver.statistics.wq_stats()
    }

    fn reset_stats(&self) {
        self.driver.statistics.reset();
    }

    fn totals(&self) -> Vec<(&'static str, u64)> {
        self.driver.statistics.totals().to_vec()
    }

    /// What one message after the other can be run through, with the settings that are in force now.
    #[pyo3(signature = (name, parameters=None))]
    fn tfm(&self, py: Python<'_>, name: &str, parameters: Option<&Bound<'_, PyDict>>) -> PyResult<IaaTfm> {
        let mode = mode_of(&self.driver, name)
            .ok_or_else(|| PyOSError::new_err((2, format!("no driver is called {name:?}"))))?;
        if !self.driver.is_registered() {
            return Err(PyOSError::new_err((2, format!("{name} is there from the first work queue on"))));
        }
        let form = Form::new(&self.driver, mode, intern(name), &params(py, parameters)?).or_raise(py)?;
        Ok(IaaTfm { form: Arc::new(form), pool: Arc::clone(&self.pool) })
    }
}

/// A transform with the kernel's manners: requests are submitted and polled, and answer with numbers.
#[pyclass(frozen, module = "acrypto._core")]
pub struct IaaTfm {
    form: Arc<Form>,
    pool: Arc<Pool>,
}

#[pymethods]
impl IaaTfm {
    #[getter]
    fn sync_mode(&self) -> &'static str {
        self.form.settings.sync_mode.name()
    }

    #[getter]
    fn verify_compress(&self) -> bool {
        self.form.settings.verify
    }

    /// One message. Without `dst` space is found for it, and the request is run to its end when it is submitted.
    #[pyo3(signature = (src, dst=None, *, compress))]
    fn request(&self, src: &Bound<'_, PyAny>, dst: Option<&Bound<'_, PyAny>>, compress: bool) -> PyResult<IaaRequest> {
        let mut pins = Pins::default();
        let source = pins.source(src)?;
        let output = match dst {
            Some(dst) => pins.output(dst, &self.pool, &[&source])?,
            None => Output::pooled(&self.pool),
        };
        let is_null = dst.is_none();
        let inner = Inner { task: None, patience: None, ended: None, output, source, _pins: pins };
        Ok(IaaRequest { form: Arc::clone(&self.form), direction: direction_of(compress), is_null, inner: inner.into() })
    }
}

struct Inner {
    /// First: it points into what follows.
    task: Option<Box<Task>>,
    patience: Option<Patience>,
    ended: Option<Ended>,
    output: Output,
    source: Source,
    _pins: Pins,
}

/// One message. Its methods may be called from any thread, one at a time.
#[pyclass(frozen, module = "acrypto._core")]
pub struct IaaRequest {
    form: Arc<Form>,
    direction: Direction,
    is_null: bool,
    inner: Mutex<Inner>,
}

/// The most that the kernel allocates for what is decompressed.
const NULL_MOST: u64 = 131_072;

fn code(ended: &Ended) -> i32 {
    ended.as_ref().map_or_else(|failure| -failure.errno(), |_| 0)
}

impl IaaRequest {
    fn message<'a>(&'a self, source: &'a Source, output: &'a mut Output) -> Message<'a> {
        let max_output = if self.is_null { NULL_MOST } else { u64::MAX };
        Message { form: &self.form, direction: self.direction, source, output, max_output }
    }

    fn start(&self) -> i32 {
        let mut guard = lock(&self.inner);
        let inner = &mut *guard;
        if inner.task.is_some() {
            return -Trouble::Busy.errno();
        }
        inner.ended = None;
        if inner.source.is_empty() {
            return -Trouble::Wrong.errno();
        }
        if !self.form.driver.is_enabled() {
            return -Trouble::NoDevice.errno();
        }
        let mut message = self.message(&inner.source, &mut inner.output);
        let is_sync = self.is_null || self.form.settings.sync_mode == SyncMode::Sync;
        let ended = if is_sync {
            self.form.finish_as_kernel(&mut message)
        } else {
            match self.form.begin(&mut message) {
                Begun::Going(task) => {
                    inner.task = Some(task);
                    inner.patience = Some(self.form.driver.patience());
                    return -EINPROGRESS;
                }
                Begun::Done(ended) => ended,
                Begun::Busy => self.form.refused(&mut message),
            }
        };
        let code = code(&ended);
        inner.ended = Some(ended);
        code
    }

    fn look(&self) -> i32 {
        let mut guard = lock(&self.inner);
        let inner = &mut *guard;
        let Some(task) = &mut inner.task else {
            return inner.ended.as_ref().map_or(-Trouble::Wrong.errno(), code);
        };
        let mut message = self.message(&inner.source, &mut inner.output);
        let ended =
            task.look(&mut message).or_else(|| task.is_lost().then(|| task.begin_again(&mut message)).flatten());
        let ended = ended.or_else(|| {
            let is_over = inner.patience.as_mut().is_some_and(Patience::is_over);
            is_over.then(|| Err(task.give_up(&message)))
        });
        let Some(ended) = ended else {
            task.help();
            return -Trouble::Again.errno();
        };
        inner.task = None;
        let code = code(&ended);
        inner.ended = Some(ended);
        code
    }
}

/// Linux's number for a request that goes on by itself; the others are the driver's own.
const EINPROGRESS: i32 = 115;

#[pymethods]
impl IaaRequest {
    /// Submits it: 0 if it is done, -EINPROGRESS if it is to be polled, or another number for why not.
    fn submit(&self, py: Python<'_>) -> i32 {
        py.detach(|| self.start())
    }

    /// Looks once: 0 if it is done, -EAGAIN if not yet, or another number for how it failed.
    fn poll(&self, py: Python<'_>) -> i32 {
        py.detach(|| self.look())
    }

    /// Bytes of result.
    #[getter]
    fn dlen(&self) -> usize {
        lock(&self.inner).output.len()
    }

    /// Takes the result of a request without a destination.
    fn result(&self, py: Python<'_>) -> PyResult<Buffer> {
        let mut inner = lock(&self.inner);
        if !matches!(inner.ended, Some(Ok(_))) || !self.is_null {
            return Err(raise(py, &Status::usage("the request has no result of its own")));
        }
        let empty = inner.output.sibling();
        Ok(Buffer::new(std::mem::replace(&mut inner.output, empty)))
    }

    /// Lets go of it, whatever the device does with it.
    fn abandon(&self, py: Python<'_>) {
        py.detach(|| lock(&self.inner).task = None);
    }
}

#[pymethods]
impl IdxdQueue {
    /// Opens a real queue's character device and maps its portal.
    #[staticmethod]
    #[pyo3(signature = (path, *, device, device_id, queue, queue_id, name, shared, size, node, max_transfer, header_gen,
        state_len))]
    #[allow(clippy::too_many_arguments)] // what was found, by name
    fn open(
        py: Python<'_>,
        path: PathBuf,
        device: String,
        device_id: u32,
        queue: String,
        queue_id: u32,
        name: String,
        shared: bool,
        size: usize,
        node: i32,
        max_transfer: u64,
        header_gen: bool,
        state_len: u32,
    ) -> PyResult<Self> {
        let mode = if shared { Mode::Shared } else { Mode::Dedicated };
        let abilities = Abilities { header_gen, state_len, max_transfer };
        let info = QueueInfo { device, device_id, queue, queue_id, name, mode, size, node, pasid: 0, abilities };
        let opened = py.detach(|| HardwareQueue::open(&path, info));
        Ok(Self {
            queue: Arc::new(opened.map_err(|error| PyOSError::new_err((error.raw_os_error(), error.to_string())))?),
        })
    }

    /// Whether it works: a NOOP, a page there and back. None, or what went wrong, in words.
    fn first_light(&self, py: Python<'_>) -> Option<String> {
        py.detach(|| first_light::run(&self.queue)).err()
    }
}
