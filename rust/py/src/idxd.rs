//! The model of an idxd device, as Python holds it. What waits lets go of the GIL.

use crate::buffer::{Pins, Reached};
use crate::error::OrRaise;
use acrypto_core::idxd::model::{Capabilities, Death, Device, Harm, Injection, Knobs, QueueConfig};
use acrypto_core::idxd::port::{Mode, Queue};
use acrypto_core::idxd::wire::{Descriptor, SIZE};
use acrypto_core::status::{Outcome, Status};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, PoisonError};

fn unknown(what: &str, given: &str, known: &[&str]) -> Status {
    Status::usage(format!("{what} is {given:?}; it must be one of {}", known.join(", ")))
}

fn mode(name: &str) -> Outcome<Mode> {
    match name {
        "dedicated" => Ok(Mode::Dedicated),
        "shared" => Ok(Mode::Shared),
        _ => Err(unknown("mode", name, &["dedicated", "shared"])),
    }
}

fn death(name: &str) -> Outcome<Death> {
    let known = Death::ALL.map(|(known, _)| known);
    Death::ALL
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, death)| *death)
        .ok_or_else(|| unknown("how", name, &known))
}

/// A software model of an idxd analytics device (IAA).
#[pyclass(frozen, module = "acrypto._core")]
pub struct IdxdDevice {
    device: Device,
}

#[pymethods]
impl IdxdDevice {
    /// What can be tuned.
    #[classattr]
    #[allow(non_snake_case)] // as constants are in Python
    fn KNOBS() -> [&'static str; Knobs::NAMES.len()] {
        Knobs::NAMES
    }

    #[new]
    #[pyo3(signature = (*, name = "iax1", id = 1, node = 0, engines = 8, groups = 4, work_queues = 8,
        max_work_queues_size = 128, max_transfer = 1 << 31, configurable = true, pasid_enabled = true,
        header_gen = true, state_len = 1248, block_on_fault = true, max_mappings = 1 << 16, threads = 1))]
    #[allow(clippy::too_many_arguments)] // capabilities, by name
    fn new(
        py: Python<'_>,
        name: &str,
        id: u32,
        node: i32,
        engines: usize,
        groups: usize,
        work_queues: usize,
        max_work_queues_size: usize,
        max_transfer: u64,
        configurable: bool,
        pasid_enabled: bool,
        header_gen: bool,
        state_len: u32,
        block_on_fault: bool,
        max_mappings: usize,
        threads: usize,
    ) -> PyResult<Self> {
        let name = name.to_owned();
        let capabilities = Capabilities {
            name,
            id,
            node,
            engines,
            groups,
            work_queues,
            max_work_queues_size,
            max_transfer,
            configurable,
            pasid_enabled,
            header_gen,
            state_len,
            block_on_fault,
            max_mappings,
            threads,
        };
        Ok(Self { device: Device::new(capabilities).or_raise(py)? })
    }

    /// The group of an engine, or None; only while the device is disabled.
    fn assign_engine(&self, py: Python<'_>, engine: usize, group: Option<usize>) -> PyResult<()> {
        self.device.assign_engine(engine, group).or_raise(py)
    }

    /// Starts it, with no queues yet.
    fn enable(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.device.enable()).or_raise(py)
    }

    /// Lets its queues finish, disables them and stops.
    fn disable(&self, py: Python<'_>) {
        py.detach(|| self.device.disable());
    }

    /// Drops what is in flight, disables the queues and stops: nothing of before is written after this returns.
    fn reset(&self, py: Python<'_>) {
        py.detach(|| self.device.reset());
    }

    #[pyo3(signature = (index, *, mode = "dedicated", size = 16, group = 0, priority = 10, threshold = 0,
        block_on_fault = false, name = "iaa_crypto", max_transfer = 0, pasid = 0))]
    #[allow(clippy::too_many_arguments)] // settings, by name
    fn enable_queue(
        &self,
        py: Python<'_>,
        index: usize,
        mode: &str,
        size: usize,
        group: usize,
        priority: u32,
        threshold: usize,
        block_on_fault: bool,
        name: &str,
        max_transfer: u64,
        pasid: u32,
    ) -> PyResult<IdxdQueue> {
        let (mode, name) = (self::mode(mode).or_raise(py)?, name.to_owned());
        let config = QueueConfig { mode, size, group, priority, threshold, block_on_fault, name, max_transfer, pasid };
        let queue = py.detach(|| self.device.enable_queue(index, config)).or_raise(py)?;
        Ok(IdxdQueue { queue })
    }

    /// Lets a queue finish, or drops what it has, and disables it: nothing of it is written after this returns.
    #[pyo3(signature = (index, *, abort = false))]
    fn disable_queue(&self, py: Python<'_>, index: usize, abort: bool) -> PyResult<()> {
        py.detach(|| self.device.disable_queue(index, abort)).or_raise(py)
    }

    /// Turns a knob while it runs.
    fn tune(&self, py: Python<'_>, knob: &str, value: f64) -> PyResult<()> {
        self.device.knobs().set(knob, value).or_raise(py)
    }

    #[pyo3(signature = (kind, *, chance = 1.0, count = None, status = 0x20, delay_ns = 0))]
    fn inject(
        &self,
        py: Python<'_>,
        kind: &str,
        chance: f64,
        count: Option<u64>,
        status: u8,
        delay_ns: u64,
    ) -> PyResult<()> {
        let harm = match kind {
            "fail" if status == 0 => Err(Status::usage("status is 0, which says that nothing has happened yet")),
            "fail" => Ok(Harm::Fail(status)),
            "corrupt" => Ok(Harm::Corrupt),
            "lose" => Ok(Harm::Lose),
            "delay" => Ok(Harm::Delay(delay_ns)),
            "stick" => Ok(Harm::Stick),
            _ => Err(unknown("kind", kind, &["fail", "corrupt", "lose", "delay", "stick"])),
        };
        let harm = harm.or_raise(py)?;
        self.device.inject(Injection { harm, chance, count: count.unwrap_or(u64::MAX) }).or_raise(py)
    }

    /// Ends all harm; the seed is for what is injected next.
    #[pyo3(signature = (seed = 0))]
    fn calm(&self, seed: u64) {
        self.device.calm(seed);
    }

    /// Dies: "dropped", "silent" or "held".
    #[pyo3(signature = (how = "dropped"))]
    fn kill(&self, py: Python<'_>, how: &str) -> PyResult<()> {
        let death = death(how).or_raise(py)?;
        py.detach(|| self.device.kill(death));
        Ok(())
    }

    /// Lives again, its queues as they were.
    fn revive(&self, py: Python<'_>) {
        py.detach(|| self.device.revive());
    }

    /// Makes a mapped page fault, or no longer.
    fn set_present(&self, address: u64, present: bool) {
        self.device.iommu().set_present(address, present);
    }

    /// The first error since the last call that no completion record could tell, or None.
    fn take_error<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(error) = self.device.take_error() else { return Ok(None) };
        let told = PyDict::new(py);
        told.set_item("code", error.code)?;
        told.set_item("queue", error.queue_id)?;
        told.set_item("opcode", error.opcode)?;
        told.set_item("address", error.address)?;
        told.set_item("overflowed", error.has_overflowed)?;
        Ok(Some(told))
    }

    /// Counts of queues that are enabled, and of engines.
    fn statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counted = py.detach(|| self.device.statistics());
        let queues = PyList::empty(py);
        for queue in counted.queues {
            let told = PyDict::new(py);
            told.set_item("queue", queue.queue)?;
            told.set_item("index", queue.queue_id)?;
            told.set_item("accepted", queue.accepted)?;
            told.set_item("lost", queue.lost)?;
            told.set_item("retried", queue.retried)?;
            told.set_item("completed", queue.completed)?;
            told.set_item("aborted", queue.aborted)?;
            told.set_item("waiting", queue.waiting)?;
            told.set_item("in_flight", queue.in_flight)?;
            let by_status = PyDict::new(py);
            for (status, count) in queue.by_status {
                by_status.set_item(status, count)?;
            }
            told.set_item("by_status", by_status)?;
            queues.append(told)?;
        }
        let engines = PyList::empty(py);
        for engine in counted.engines {
            let told = PyDict::new(py);
            told.set_item("engine", engine.engine)?;
            told.set_item("group", engine.group)?;
            told.set_item("taken", engine.taken)?;
            told.set_item("busy_ns", engine.busy_ns)?;
            engines.append(told)?;
        }
        let all = PyDict::new(py);
        all.set_item("queues", queues)?;
        all.set_item("engines", engines)?;
        Ok(all)
    }

    #[getter]
    fn name(&self) -> &str {
        &self.device.capabilities().name
    }

    #[getter]
    fn enabled(&self) -> bool {
        self.device.is_enabled()
    }

    /// Whether it died and says so.
    #[getter]
    fn halted(&self) -> bool {
        self.device.is_halted()
    }
}

/// An enabled work queue: the model's, or a real device's.
#[pyclass(frozen, module = "acrypto._core")]
pub struct IdxdQueue {
    pub queue: Arc<dyn Queue>,
}

#[pymethods]
impl IdxdQueue {
    /// Stores a descriptor of 64 bytes into a dedicated queue; nobody answers.
    fn store(&self, descriptor: &Bound<'_, PyAny>) -> PyResult<()> {
        self.queue.store(&packed(descriptor)?);
        Ok(())
    }

    /// Stores a descriptor of 64 bytes into a shared queue; False if it is to be tried again.
    fn enqueue(&self, descriptor: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.queue.enqueue(&packed(descriptor)?))
    }

    /// Lets the device reach a buffer, until the mapping is closed.
    #[pyo3(signature = (buffer, *, writable = false))]
    fn map(&self, buffer: &Bound<'_, PyAny>, writable: bool) -> PyResult<IdxdMapping> {
        let reached = Reached::new(buffer, &*self.queue, writable)?;
        Ok(IdxdMapping { address: reached.addr(), nbytes: reached.len(), reached: Mutex::new(Some(reached)) })
    }

    /// Lends this thread to a model for one descriptor; False if there was nothing to do.
    fn help(&self, py: Python<'_>) -> bool {
        py.detach(|| self.queue.help())
    }

    #[getter]
    fn interrupt(&self) -> Option<RawFd> {
        self.queue.interrupt()
    }

    #[getter]
    fn interrupt_handle(&self) -> u16 {
        self.queue.interrupt_handle()
    }

    #[getter]
    fn alive(&self) -> bool {
        self.queue.is_alive()
    }

    /// What it was enabled as.
    #[getter]
    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let info = self.queue.info();
        let told = PyDict::new(py);
        told.set_item("device", &info.device)?;
        told.set_item("device_id", info.device_id)?;
        told.set_item("queue", &info.queue)?;
        told.set_item("queue_id", info.queue_id)?;
        told.set_item("name", &info.name)?;
        told.set_item("mode", if info.mode == Mode::Dedicated { "dedicated" } else { "shared" })?;
        told.set_item("size", info.size)?;
        told.set_item("node", info.node)?;
        told.set_item("pasid", info.pasid)?;
        told.set_item("header_gen", info.abilities.header_gen)?;
        told.set_item("state_len", info.abilities.state_len)?;
        told.set_item("max_transfer", info.abilities.max_transfer)?;
        Ok(told)
    }

    fn __repr__(&self) -> String {
        let info = self.queue.info();
        let state = if self.queue.is_alive() { "alive" } else { "gone" };
        format!("<IdxdQueue {}/{}: {} entries, {state}>", info.device, info.queue, info.size)
    }
}

/// A descriptor out of any bytes-like object of 64 bytes.
fn packed(object: &Bound<'_, PyAny>) -> PyResult<Descriptor> {
    let bytes: Vec<u8> = Pins::short(Some(object))?;
    let wrong = || Status::usage(format!("a descriptor has {SIZE} bytes, not {}", bytes.len()));
    let bytes: &[u8; SIZE] = bytes.as_slice().try_into().map_err(|_| wrong()).or_raise(object.py())?;
    Ok(Descriptor::from_bytes(bytes))
}

/// A buffer that a device may reach.
#[pyclass(frozen, module = "acrypto._core")]
pub struct IdxdMapping {
    /// What descriptors call it.
    #[pyo3(get)]
    address: u64,
    #[pyo3(get)]
    nbytes: usize,
    reached: Mutex<Option<Reached>>,
}

#[pymethods]
impl IdxdMapping {
    /// Unmaps it, when the device is not at it, and lets go of the buffer. Idempotent.
    fn close(&self, py: Python<'_>) {
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(reached));
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exc))]
    fn __exit__(&self, py: Python<'_>, _exc: &Bound<'_, PyAny>) {
        self.close(py);
    }
}
