//! What a layer tells of itself, and how its devices are looked after.

use crate::balancer::Balancer;
use crate::error::{OrRaise, raise};
use crate::layer::Layer;
use crate::operation::Operation;
use crate::route::Route;
use acrypto_core::cost::Tally;
use acrypto_core::device::Device;
use acrypto_core::layer as core;
use acrypto_core::status::Status;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Device, algorithm and what changes its price, direction, bytes from, run and gap in nanoseconds, samples.
type CostRow = (String, String, String, u64, u64, u64, u32);

/// Number, device, algorithm, direction, priority, client, whether it waits behind the budget, bytes.
type RequestRow = (u64, String, String, &'static str, i32, u32, bool, usize);

/// What ran on callers' threads is counted by algorithm only: completed, failed, bytes in and out, nanoseconds.
fn inline_of(layer: &core::Layer, device: &Device) -> [u64; 5] {
    let mut sums = [0; 5];
    for (table, costs) in layer.all_costs() {
        if table.split_once('/').is_some_and(|(name, _)| *name == *device.name) {
            let Tally { completed, failed, bytes_in, bytes_out, busy_ns } = &costs.inline;
            for (sum, counter) in sums.iter_mut().zip([completed, failed, bytes_in, bytes_out, busy_ns]) {
                *sum += counter.load(Ordering::Relaxed);
            }
        }
    }
    sums
}

fn device_row<'py>(py: Python<'py>, layer: &core::Layer, device: &Device) -> PyResult<Bound<'py, PyDict>> {
    let row = PyDict::new(py);
    row.set_item("name", &*device.name)?;
    row.set_item("number", device.number())?;
    row.set_item("engine", device.engine.name())?;
    row.set_item("state", device.state().name())?;
    row.set_item("why", device.why())?;
    row.set_item("workers", device.options.workers)?;
    row.set_item("ready_ns", device.ready_ns())?;
    let load = device.queue.load();
    for (name, number) in [
        ("queued", load.queued),
        ("waiting", load.waiting),
        ("operations", load.operations),
        ("bytes", load.bytes),
        ("peak_bytes", load.peak_bytes),
        ("priorities", load.priorities),
        ("max_operations", device.queue.budget().operations),
        ("max_bytes", device.queue.budget().bytes),
    ] {
        row.set_item(name, number)?;
    }
    let stats = &device.stats;
    let [done, wrong, read, written, busy_ns] = inline_of(layer, device);
    let here = done + wrong;
    for (name, counter, more) in [
        ("submitted", &stats.submitted, here + stats.inline.load(Ordering::Relaxed)),
        ("started", &stats.started, here),
        ("completed", &stats.tally.completed, done),
        ("failed", &stats.tally.failed, wrong),
        ("finished", &stats.finished, here),
        ("cancelled", &stats.cancelled, 0),
        ("refused", &stats.refused, 0),
        ("bounced", &stats.bounced, 0),
        ("duplicates", &stats.duplicates, 0),
        ("redone", &stats.redone, 0),
        ("spilled", &stats.spilled, 0),
        ("moved", &stats.moved, 0),
        ("lost", &stats.lost, 0),
        ("lied", &stats.lied, 0),
        ("inline", &stats.inline, here),
        ("batch", &stats.batch, 0),
        ("queued_units", &stats.queued, 0),
        ("bytes_in", &stats.tally.bytes_in, read),
        ("bytes_out", &stats.tally.bytes_out, written),
        ("busy_ns", &stats.tally.busy_ns, busy_ns),
    ] {
        row.set_item(name, counter.load(Ordering::Relaxed) + more)?;
    }
    row.set_item("lingering", device.lingering())?;
    row.set_item("queue_ns", device.queue_ns.rows())?;
    row.set_item("run_ns", device.run_ns.rows())?;
    Ok(row)
}

fn span(seconds: f64) -> Duration {
    if seconds.is_nan() || seconds <= 0.0 {
        return Duration::ZERO;
    }
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[pymethods]
impl Layer {
    /// One dict per device: state, queue, counters, histograms.
    fn devices<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.ours(py)?;
        let list = PyList::empty(py);
        for device in self.shared.core.devices() {
            list.append(device_row(py, &self.shared.core, &device)?)?;
        }
        Ok(list)
    }

    /// Measured costs.
    fn costs(&self, py: Python<'_>) -> PyResult<Vec<CostRow>> {
        self.ours(py)?;
        let mut rows = Vec::new();
        for (table, costs) in self.shared.core.all_costs() {
            let (device, key) = table.split_once('/').unwrap_or(("", &table));
            rows.extend(costs.rows().iter().map(|row| {
                let direction = row.direction.name().to_string();
                let key = if row.depth > 1 { format!("{key}*{}", row.depth) } else { key.to_string() };
                (device.to_string(), key, direction, row.from_bytes, row.nanoseconds, row.gap_ns, row.samples)
            }));
        }
        Ok(rows)
    }

    /// Fills cost tables with what was measured before, for algorithms that are offered; how many rows were of use.
    fn load_costs(&self, py: Python<'_>, rows: Vec<CostRow>) -> PyResult<usize> {
        self.ours(py)?;
        let core = &self.shared.core;
        let devices = core.devices();
        let mut used = 0;
        for (device, key, direction, from_bytes, nanoseconds, gap_ns, samples) in rows {
            let (key, depth) = match key.rsplit_once('*') {
                Some((key, depth)) => (key, depth.parse().unwrap_or(1)),
                None => (&*key, 1),
            };
            let algorithm = key.split(':').next().unwrap_or("");
            let Some(kind) = core.kind_of(algorithm) else { continue };
            let Some(&direction) = kind.directions().iter().find(|known| known.name() == direction) else { continue };
            let Some(known) = devices.iter().find(|known| *known.name == *device) else { continue };
            let table = core.cost_table(&device, key, kind);
            if known.engine.lanes() > 1 {
                table.tell_depths_apart();
            } else if depth > 1 {
                continue; // it had lanes when this was written
            }
            table.at(depth).load(direction, from_bytes, nanoseconds, gap_ns, samples);
            used += 1;
        }
        Ok(used)
    }

    /// Work by device and algorithm.
    fn algorithms_run<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.ours(py)?;
        let list = PyList::empty(py);
        for (table, costs) in self.shared.core.all_costs() {
            let (device, key) = table.split_once('/').unwrap_or(("", &table));
            let (tally, inline) = (&costs.tally, &costs.inline);
            let row = PyDict::new(py);
            row.set_item("device", device)?;
            row.set_item("algorithm", key)?;
            for (name, counter) in [
                ("completed", [&tally.completed, &inline.completed]),
                ("failed", [&tally.failed, &inline.failed]),
                ("bytes_in", [&tally.bytes_in, &inline.bytes_in]),
                ("bytes_out", [&tally.bytes_out, &inline.bytes_out]),
                ("busy_ns", [&tally.busy_ns, &inline.busy_ns]),
            ] {
                row.set_item(name, counter.iter().map(|own| own.load(Ordering::Relaxed)).sum::<u64>())?;
            }
            list.append(row)?;
        }
        Ok(list)
    }

    /// How often a request went where it would not have gone, by the reason.
    fn fallbacks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.ours(py)?;
        let dict = PyDict::new(py);
        for (reason, count) in self.shared.core.fallbacks() {
            dict.set_item(reason, count)?;
        }
        Ok(dict)
    }

    /// The pool of result memory: bytes idle, times it had none to give; and operations whose memory is pinned.
    fn pool<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.ours(py)?;
        let dict = PyDict::new(py);
        let pool = &self.shared.core.pool;
        dict.set_item("idle_bytes", pool.idle_bytes())?;
        dict.set_item("misses", pool.misses.load(Ordering::Relaxed))?;
        dict.set_item("lingering", self.shared.ports.num_in_flight())?;
        Ok(dict)
    }

    /// Everything that is queued, on all devices.
    fn requests(&self, py: Python<'_>) -> PyResult<Vec<RequestRow>> {
        self.ours(py)?;
        let mut rows = Vec::new();
        for device in self.shared.core.devices() {
            device.queue.for_each(|request, is_waiting| {
                rows.push((
                    u64::from(request.operation().token),
                    device.name.to_string(),
                    request.bound.as_ref().map(|bound| bound.name.clone()).unwrap_or_default(),
                    request.direction().map_or("step", |direction| direction.name()),
                    request.priority,
                    request.client,
                    is_waiting,
                    request.bytes,
                ));
            });
        }
        Ok(rows)
    }

    /// The balancer's name.
    fn balancer(&self) -> String {
        self.shared.core.balancer().name().to_string()
    }

    /// Places every request from now on by another balancer.
    fn set_balancer(&self, py: Python<'_>, balancer: &Balancer) -> PyResult<()> {
        self.shared.core.alive().or_raise(py)?;
        py.detach(|| self.shared.core.set_balancer(Arc::clone(&balancer.inner)));
        Ok(())
    }

    /// Gives a client a larger share than others of the same priority.
    fn set_client(&self, py: Python<'_>, name: &str, weight: u32) -> PyResult<()> {
        self.ours(py)?;
        if weight == 0 {
            return Err(Status::usage(format!("weight of client {name:?} is 0; it must be at least 1"))).or_raise(py);
        }
        self.shared.weigh(name, weight);
        Ok(())
    }

    /// A route over these transforms, in order.
    #[pyo3(signature = (*transforms))]
    fn route(&self, py: Python<'_>, transforms: &Bound<'_, PyTuple>) -> PyResult<Route> {
        self.shared.core.alive().or_raise(py)?;
        Route::new(py, &self.shared, transforms)
    }

    /// Reaps operations that have ended in poll mode.
    #[pyo3(signature = (most = usize::MAX))]
    fn poll(&self, py: Python<'_>, most: usize) -> PyResult<Vec<Py<Operation>>> {
        self.ours(py)?;
        let devices = self.shared.core.devices();
        py.detach(|| devices.iter().for_each(|device| device.engine.poll()));
        Ok(self.shared.ports.poll(py, most))
    }

    /// A device's offers are published: queued work of others may go there.
    fn welcome(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let device = self.device(py, name)?;
        py.detach(|| self.shared.core.welcome(&device));
        Ok(())
    }

    /// Marks a device as dead.
    fn break_device(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let device = self.device(py, name)?;
        py.detach(|| device.break_down());
        Ok(())
    }

    /// Gives a device no new work until it is readmitted.
    fn quarantine_device(&self, py: Python<'_>, name: &str, reason: &str) -> PyResult<bool> {
        let device = self.device(py, name)?;
        Ok(py.detach(|| device.quarantine(reason)))
    }

    /// Brings a broken device back as far as quarantine; false if it was not broken.
    fn revive_device(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        let device = self.device(py, name)?;
        py.detach(|| device.revive()).or_raise(py)
    }

    /// Lets a quarantined device work again, a little at first; false if it was not quarantined.
    fn readmit_device(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        let device = self.device(py, name)?;
        Ok(py.detach(|| device.readmit()))
    }

    /// Gives a device no new work and waits until it has none; false if the time runs out first.
    #[pyo3(signature = (name, seconds = None))]
    fn drain_device(&self, py: Python<'_>, name: &str, seconds: Option<f64>) -> PyResult<bool> {
        let device = self.device(py, name)?;
        Ok(py.detach(|| self.shared.core.drain_device(&device, seconds.map(span))))
    }

    /// What its engine says of itself, if it is not well.
    fn health(&self, py: Python<'_>, name: &str) -> PyResult<Option<String>> {
        let device = self.device(py, name)?;
        Ok(py.detach(|| device.engine.health()).err().map(|status| status.to_string()))
    }

    /// The next thing that happened to a device: (what, device, why); None if nothing did in so many seconds.
    fn wait_event(&self, py: Python<'_>, seconds: f64) -> PyResult<Option<(&'static str, String, String)>> {
        if !self.shared.core.is_ours() {
            return Err(raise(py, &Status::Closed("the layer belongs to the parent process")));
        }
        let event = py.detach(|| self.shared.core.wait_event(span(seconds)));
        Ok(event.map(|(what, device, why)| (what.name(), device, why)))
    }
}
