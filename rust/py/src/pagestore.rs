//! The page store as Python holds it: keys and pages in, operations out. All else is `acrypto_core::pagestore`.

use crate::buffer::{Buffer, Pins, is_buffer};
use crate::convert::number;
use crate::delivery::Delivery;
use crate::error::{OrRaise, raise};
use crate::harvest::Harvest;
use crate::layer::Shared;
use crate::loops::running_loop;
use crate::operation::Operation;
use crate::port::lock;
use crate::transform::Transform;
use acrypto_core::alg::Kind;
use acrypto_core::buffer::{Output, Source};
use acrypto_core::operation::Settled;
use acrypto_core::pagestore::{Done, Job, Key, Lane, MOST_BYTES, Report, Settings, Store};
use acrypto_core::status::{Outcome, Status};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyMemoryView, PySlice, PyTuple};
use std::path::PathBuf;
use std::sync::Arc;

/// What the caller of a put or get is given.
#[derive(Clone, Copy)]
enum Given {
    Nothing,
    /// A Buffer, or None if there is no such page.
    Page,
    /// Views of one buffer, with None for pages that are not there.
    Pages(usize),
    /// Whether each page was there.
    Found,
    /// The same, of one page.
    WasFound,
}

/// How the end of a job becomes a Python object.
pub struct Plan {
    report: Report,
    given: Given,
}

/// What came of it, as Python sees it.
pub fn harvest(py: Python<'_>, plan: &Plan, settled: Settled) -> PyResult<Py<PyAny>> {
    let Some(done) = lock(&plan.report).take() else {
        let lost = || Status::Internal("a page store's job without a report".into());
        return Err(raise(py, &settled.units.into_iter().find_map(Result::err).unwrap_or_else(lost)));
    };
    let Done { outcomes, target, .. } = done;
    let found: Vec<bool> = outcomes.into_iter().collect::<Outcome<_>>().or_raise(py)?;
    let buffer = |target: Option<Output>| match target {
        Some(target) => Py::new(py, Buffer::new(target)),
        None => Err(raise(py, &Status::Internal("a get without its memory".into()))),
    };
    match plan.given {
        Given::Nothing => Ok(py.None()),
        Given::WasFound => Ok(PyBool::new(py, found.first() == Some(&true)).to_owned().into_any().unbind()),
        Given::Found => Ok(PyList::new(py, found)?.into_any().unbind()),
        Given::Page if found.first() != Some(&true) => Ok(py.None()),
        Given::Page => Ok(buffer(target)?.into_any()),
        Given::Pages(page) => {
            let view = PyMemoryView::from(buffer(target)?.bind(py).as_any())?;
            let list = PyList::empty(py);
            for (index, is_there) in found.into_iter().enumerate() {
                if is_there {
                    let (from, to) = ((index * page) as isize, ((index + 1) * page) as isize);
                    list.append(view.get_item(PySlice::new(py, from, to, 1))?)?;
                } else {
                    list.append(py.None())?;
                }
            }
            Ok(list.into_any().unbind())
        }
    }
}

/// A key: the offset in area 0, or an area and an offset.
fn key(value: &Bound<'_, PyAny>) -> PyResult<Key> {
    let Ok(pair) = value.cast::<PyTuple>() else {
        return Ok(Key { area: 0, offset: part("a key", value, "0 to 2^64 - 1")? });
    };
    if pair.len() != 2 {
        let told = format!("a key of {} parts; it must be an offset, or an area and an offset", pair.len());
        return Err(Status::Usage(told)).or_raise(value.py());
    }
    let area = part("the area of a key", &pair.get_item(0)?, "0 to 2^32 - 1")?;
    Ok(Key { area, offset: part("the offset of a key", &pair.get_item(1)?, "0 to 2^64 - 1")? })
}

/// A whole number; a truth value is none.
fn part<T>(name: &str, value: &Bound<'_, PyAny>, range: &str) -> PyResult<T>
where
    T: for<'a, 'py> FromPyObject<'a, 'py, Error = PyErr>,
{
    if value.is_instance_of::<PyBool>() {
        return Err(Status::Usage(format!("{name} is {value}; it must be a number in {range}"))).or_raise(value.py());
    }
    number(name, value, range)
}

fn keys(values: &Bound<'_, PyAny>) -> PyResult<Vec<Key>> {
    values.try_iter()?.map(|value| key(&value?)).collect()
}

/// Pages by key: see `acrypto.consumers.pagestore.PageStore`. Shareable between threads.
#[pyclass(frozen, module = "acrypto._core")]
pub struct PageStore {
    shared: Arc<Shared>,
    store: Arc<Store>,
}

impl PageStore {
    /// Refuses in a forked child, where the lock may be held by a thread that does not exist.
    fn ours(&self, py: Python<'_>) -> PyResult<&Arc<Store>> {
        if !self.shared.core.is_ours() {
            self.shared.core.alive().or_raise(py)?;
        }
        Ok(&self.store)
    }

    fn lane(py: Python<'_>, mode: Option<&str>, has_loop: bool) -> PyResult<Lane> {
        match mode {
            None if has_loop => Ok(Lane::Short),
            None | Some("inline") => Ok(Lane::Here),
            Some("queued") => Ok(Lane::Queue),
            Some(other) => Err(Status::usage(format!("mode is {other:?}; it must be inline or queued"))).or_raise(py),
        }
    }

    /// Gives an operation that is done, or has a device do the rest.
    fn go_on<'py>(
        &self,
        py: Python<'py>,
        event_loop: Option<Bound<'py, PyAny>>,
        job: Job,
        given: Given,
        pins: Pins,
    ) -> PyResult<Py<Operation>> {
        let report = Report::default();
        let harvest = Harvest::Pages(Box::new(Plan { report: Arc::clone(&report), given }));
        if job.is_done() {
            let done = job.finish();
            let settled = Settled { units: Vec::new(), completion: done.told.clone(), route: None, laid: None };
            *lock(&report) = Some(done);
            return Py::new(py, Operation::done_many(py, event_loop.map(Bound::unbind), harvest, settled));
        }
        let delivery = Delivery { detach: true, ..Delivery::default() };
        self.shared.launch(py, event_loop, harvest, pins, delivery, |hold| {
            job.launch(hold, &report);
            Ok(())
        })
    }

    fn start_put(
        &self,
        py: Python<'_>,
        keys: Vec<Key>,
        sources: Vec<Source>,
        pins: Pins,
        mode: Option<&str>,
    ) -> PyResult<Py<Operation>> {
        self.shared.core.alive().or_raise(py)?;
        let event_loop = running_loop(py)?;
        let lane = Self::lane(py, mode, event_loop.is_some())?;
        let job = py.detach(|| {
            let mut job = Job::put(&self.store, keys, sources)?;
            job.run_here(lane);
            Ok(job)
        });
        self.go_on(py, event_loop, job.or_raise(py)?, Given::Nothing, pins)
    }

    fn start_get(
        &self,
        py: Python<'_>,
        keys: Vec<Key>,
        into: Option<&Bound<'_, PyAny>>,
        is_one: bool,
        mode: Option<&str>,
    ) -> PyResult<Py<Operation>> {
        let core = &self.shared.core;
        core.alive().or_raise(py)?;
        let event_loop = running_loop(py)?;
        let lane = Self::lane(py, mode, event_loop.is_some())?;
        let mut pins = Pins::default();
        let mut target = match into {
            None => core.output(),
            Some(into) => pins.output(into, &core.pool, &[])?,
        };
        let given = match (into, is_one) {
            (None, true) => Given::Page,
            (None, false) => Given::Pages(self.store.page()),
            (Some(_), true) => Given::WasFound,
            (Some(_), false) => Given::Found,
        };
        if event_loop.is_some() && self.store.must_read(&keys) {
            // The loop must not wait for the disk.
            target.exactly(keys.len().saturating_mul(self.store.page())).or_raise(py)?;
            let report = Report::default();
            let harvest = Harvest::Pages(Box::new(Plan { report: Arc::clone(&report), given }));
            let store = Arc::clone(&self.store);
            return self.shared.launch(py, event_loop, harvest, pins, Delivery::default(), |hold| {
                let mut hold = hold;
                let own = Arc::clone(&store);
                store.run_aside(move || match Job::get(&own, keys, target) {
                    Ok(mut job) => {
                        drop(own);
                        job.run_here(Lane::Here);
                        job.launch(hold, &report);
                    }
                    Err(status) => drop(hold.settle(Settled::failed(status, &Arc::from(""), "reading pages back"))),
                });
                Ok(())
            });
        }
        let job = py.detach(|| {
            let mut job = Job::get(&self.store, keys, target)?;
            job.run_here(lane);
            Ok(job)
        });
        self.go_on(py, event_loop, job.or_raise(py)?, given, pins)
    }
}

#[pymethods]
impl PageStore {
    #[new]
    #[pyo3(signature = (transform, *, page_size, max_bytes, batch, path = None, file_bytes = None))]
    fn new(
        py: Python<'_>,
        transform: &Transform,
        page_size: &Bound<'_, PyAny>,
        max_bytes: &Bound<'_, PyAny>,
        batch: &Bound<'_, PyAny>,
        path: Option<PathBuf>,
        file_bytes: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        if transform.recipe.kind != Kind::Compression {
            let told =
                format!("{} is a {}; pages want a compression", transform.recipe.name, transform.recipe.kind.name());
            return Err(Status::Usage(told)).or_raise(py);
        }
        let shared = Arc::clone(&transform.layer);
        let (layer, bound) = (Arc::clone(&shared.core), Arc::clone(&transform.recipe));
        // What no such type holds is refused here, the rest in the core.
        let most = format!("1 to {MOST_BYTES}");
        let file_bytes = file_bytes.map(|bytes| number("writeback_bytes", bytes, &most)).transpose()?;
        let settings = Settings {
            page: number("page_size", page_size, "512 to 1048576")?,
            max_bytes: number("max_bytes", max_bytes, &most)?,
            batch: number("batch", batch, "1 to 1024")?,
            file: path.map(|path| (path, file_bytes.unwrap_or(MOST_BYTES))),
        };
        let store = py.detach(|| Store::open(layer, bound, settings)).or_raise(py)?;
        Ok(Self { shared, store })
    }

    /// Stores one page.
    #[pyo3(signature = (key, page, *, mode = None))]
    fn put(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        page: &Bound<'_, PyAny>,
        mode: Option<&str>,
    ) -> PyResult<Py<Operation>> {
        let mut pins = Pins::default();
        let source = pins.source(page)?;
        self.start_put(py, vec![self::key(key)?], vec![source], pins, mode)
    }

    /// Stores many pages: a list of them, or one buffer with one after the other.
    #[pyo3(signature = (keys, pages, *, mode = None))]
    fn put_many(
        &self,
        py: Python<'_>,
        keys: &Bound<'_, PyAny>,
        pages: &Bound<'_, PyAny>,
        mode: Option<&str>,
    ) -> PyResult<Py<Operation>> {
        let mut pins = Pins::default();
        let sources = if is_buffer(pages) {
            pins.units(pages, self.store.page())?
        } else {
            pages.try_iter()?.map(|page| pins.source(&page?)).collect::<PyResult<_>>()?
        };
        self.start_put(py, self::keys(keys)?, sources, pins, mode)
    }

    /// One page, or None; with `into` whether it was there.
    #[pyo3(signature = (key, *, into = None, mode = None))]
    fn get(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        into: Option<&Bound<'_, PyAny>>,
        mode: Option<&str>,
    ) -> PyResult<Py<Operation>> {
        self.start_get(py, vec![self::key(key)?], into, true, mode)
    }

    /// Many pages, None for each that is not there; with `into` whether each was there.
    #[pyo3(signature = (keys, *, into = None, mode = None))]
    fn get_many(
        &self,
        py: Python<'_>,
        keys: &Bound<'_, PyAny>,
        into: Option<&Bound<'_, PyAny>>,
        mode: Option<&str>,
    ) -> PyResult<Py<Operation>> {
        self.start_get(py, self::keys(keys)?, into, false, mode)
    }

    /// Forgets pages; how many there were.
    fn invalidate(&self, py: Python<'_>, keys: &Bound<'_, PyAny>) -> PyResult<usize> {
        let (store, keys) = (self.ours(py)?, self::keys(keys)?);
        Ok(py.detach(|| store.invalidate(&keys)))
    }

    /// Forgets all pages, or those of one area; how many there were.
    #[pyo3(signature = (area = None))]
    fn clear(&self, py: Python<'_>, area: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
        let store = self.ours(py)?;
        let area = area.map(|area| part("area", area, "0 to 2^32 - 1")).transpose()?;
        Ok(py.detach(|| store.clear(area)))
    }

    /// Writes back the so many pages that were not used for longest; how many were.
    fn write_back(&self, py: Python<'_>, pages: &Bound<'_, PyAny>) -> PyResult<usize> {
        let (store, pages) = (self.ours(py)?, number("pages", pages, "0 to 2^64 - 1")?);
        py.detach(|| store.write_back(pages)).or_raise(py)
    }

    /// Moves pages together; how many slabs that has freed.
    fn compact(&self, py: Python<'_>) -> PyResult<usize> {
        let store = self.ours(py)?;
        Ok(py.detach(|| store.compact()))
    }

    /// Keys of pages in memory, the one used least recently first.
    fn oldest(&self, py: Python<'_>, most: &Bound<'_, PyAny>) -> PyResult<Vec<(u32, u64)>> {
        let (store, most) = (self.ours(py)?, number("most", most, "0 to 2^64 - 1")?);
        let keys = py.detach(|| store.oldest_first(most));
        Ok(keys.into_iter().map(|key| (key.area, key.offset)).collect())
    }

    /// Every key, in no order.
    fn keys(&self, py: Python<'_>) -> PyResult<Vec<(u32, u64)>> {
        let store = self.ours(py)?;
        let keys = py.detach(|| store.keys());
        Ok(keys.into_iter().map(|key| (key.area, key.offset)).collect())
    }

    /// Counters by name.
    fn statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let store = self.ours(py)?;
        let rows = py.detach(|| store.statistics());
        let found = PyDict::new(py);
        rows.into_iter().try_for_each(|(name, value)| found.set_item(name, value))?;
        Ok(found)
    }

    /// Gives all memory and the file back.
    fn close(&self, py: Python<'_>) {
        // In a forked child both are the parent's.
        if self.shared.core.is_ours() {
            py.detach(|| self.store.close());
        }
    }

    fn __contains__(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (store, key) = (self.ours(py)?, self::key(key)?);
        Ok(py.detach(|| store.has(key)))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        let store = self.ours(py)?;
        Ok(py.detach(|| store.len()))
    }
}
