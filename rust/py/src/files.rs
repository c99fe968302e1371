//! Digests of many files: the native job, and nothing that a row needs Python for.

use crate::convert::params;
use crate::error::{OrRaise, raise};
use crate::port::lock;
use acrypto_core::files::{Digests, Failure, Input, Row, Settings, Spec, Task};
use acrypto_core::status::Status;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::ffi::OsString;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a thread waits before it looks whether a signal came.
const STEP: Duration = Duration::from_millis(50);

/// A result: number of the file, its digest or why there is none, bytes hashed, nanoseconds.
type Told = (u64, Py<PyAny>, u64, u64);

fn told(py: Python<'_>, row: Row) -> PyResult<Told> {
    let outcome = match row.outcome {
        Ok(digest) => PyBytes::new(py, &digest).into_any().unbind(),
        Err(Failure::Os { errno, offset }) => (errno, offset).into_pyobject(py)?.into_any().unbind(),
        Err(Failure::Status(status)) => raise(py, &status).into_value(py).into_any(),
    };
    Ok((row.index, outcome, row.bytes, u64::try_from(row.elapsed.as_nanos()).unwrap_or(u64::MAX)))
}

/// A job that hashes files with threads of its own.
#[pyclass(frozen, module = "acrypto._core")]
pub struct FileDigests {
    job: Digests,
    specs: Mutex<Vec<Arc<Spec>>>,
}

#[pymethods]
impl FileDigests {
    #[new]
    #[pyo3(signature = (workers, *, mapped = false, ordered = true, piece = None))]
    fn new(py: Python<'_>, workers: usize, mapped: bool, ordered: bool, piece: Option<usize>) -> PyResult<Self> {
        let job = Digests::new(Settings { workers, mapped, ordered, piece }).or_raise(py)?;
        Ok(Self { job, specs: Mutex::default() })
    }

    /// Makes an algorithm known to the job; the number that files name it by, and its driver.
    #[pyo3(signature = (name, **parameters))]
    fn algorithm(
        &self,
        py: Python<'_>,
        name: &str,
        parameters: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<(usize, &'static str)> {
        let spec = Spec::new(name, params(py, parameters)?).or_raise(py)?;
        let driver = spec.driver();
        let mut specs = lock(&self.specs);
        specs.push(spec);
        Ok((specs.len() - 1, driver))
    }

    /// Hands in files: the bytes of a path, or the number of an open file, each with an algorithm's number.
    fn submit(&self, py: Python<'_>, files: Vec<(Bound<'_, PyAny>, usize)>) -> PyResult<()> {
        let mut tasks = Vec::with_capacity(files.len());
        for (name, number) in files {
            let Some(spec) = lock(&self.specs).get(number).map(Arc::clone) else {
                return Err(raise(py, &Status::usage(format!("the job has no algorithm {number}"))));
            };
            let input = match name.cast::<PyBytes>() {
                Ok(path) => Input::Path(OsString::from_vec(path.as_bytes().to_vec()).into()),
                Err(_) => Input::descriptor(name.extract()?),
            };
            tasks.push(Task { input, spec });
        }
        py.detach(|| self.job.submit(tasks)).or_raise(py)
    }

    /// Up to `most` results; waits until there is one, or for `timeout` seconds.
    #[pyo3(signature = (most, timeout = None))]
    fn take(&self, py: Python<'_>, most: usize, timeout: Option<f64>) -> PyResult<Vec<Told>> {
        let limit = timeout.map(|s| Duration::try_from_secs_f64(s.max(0.0)).unwrap_or(Duration::MAX));
        let started = Instant::now();
        loop {
            let left = limit.map_or(STEP, |limit| limit.saturating_sub(started.elapsed()));
            let rows = py.detach(|| self.job.take(most, left.min(STEP))).or_raise(py)?;
            if !rows.is_empty() || left <= STEP && limit.is_some() {
                return rows.into_iter().map(|row| told(py, row)).collect();
            }
            py.check_signals()?;
        }
    }

    /// A descriptor that gets readable when there are results; from now on.
    fn listen(&self) -> RawFd {
        self.job.listen();
        self.job.bell()
    }

    /// To be called before results are taken that the bell told of.
    fn silence(&self) {
        self.job.silence();
    }

    /// Files done, bytes hashed, most bytes mapped at once.
    fn progress(&self) -> (u64, u64, usize) {
        let progress = self.job.progress();
        (progress.files, progress.bytes, progress.most_mapped)
    }

    /// Gives up what is not done.
    fn cancel(&self) {
        self.job.cancel();
    }

    /// Cancels, and waits for the threads to end.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.job.cancel();
        while !py.detach(|| self.job.wait_ended(STEP)) {
            py.check_signals()?;
        }
        Ok(())
    }
}
