//! Disk I/O of pipelines, as Python holds it: blocking calls that let go of the GIL and look for signals.

use crate::buffer::{Buffer, Pins};
use crate::error::{OrRaise, raise};
use crate::layer::Layer;
use acrypto_core::copies::{Place, copied, count_all};
use acrypto_core::disk::{self, Loan, Look, Reading, Trouble, Via, Writing};
use acrypto_core::status::Status;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::os::fd::RawFd;
use std::time::Duration;

/// How long a signal may have to wait.
const SLICE: Duration = Duration::from_millis(50);

fn via(py: Python<'_>, name: &str) -> PyResult<Via> {
    match name {
        "auto" => Ok(Via::Auto),
        "uring" => Ok(Via::Uring),
        "threads" => Ok(Via::Threads),
        _ => Err(Status::usage(format!("via is {name:?}; it must be 'auto', 'uring' or 'threads'"))).or_raise(py),
    }
}

fn trouble(py: Python<'_>, trouble: &Trouble) -> PyErr {
    match trouble {
        Trouble::Status(status) => raise(py, status),
        Trouble::System { errno, offset } => {
            let said = std::io::Error::from_raw_os_error(*errno).to_string();
            let said = said.split(" (os error").next().unwrap_or_default();
            PyOSError::new_err((*errno, format!("{said} at offset {offset}")))
        }
    }
}

/// Looks again until there is something, or a signal's handler raises.
fn until<T: Send>(py: Python<'_>, mut look: impl FnMut() -> Result<Look<T>, Trouble> + Send) -> PyResult<T> {
    loop {
        match py.detach(&mut look).map_err(|error| trouble(py, &error))? {
            Look::Is(found) => return Ok(found),
            Look::Later => py.check_signals()?,
        }
    }
}

/// Reads a file, pipe or device in pieces, some of them ahead. Closed when it dies.
#[pyclass(frozen, module = "acrypto._core")]
pub struct Reader {
    core: disk::Reader,
}

#[pymethods]
impl Reader {
    #[new]
    #[pyo3(signature = (layer, fd, *, piece, ahead, offset = None, length = None, direct = false, via = "auto"))]
    #[allow(clippy::too_many_arguments)] // settings, by name
    fn new(
        py: Python<'_>,
        layer: &Layer,
        fd: RawFd,
        piece: usize,
        ahead: usize,
        offset: Option<u64>,
        length: Option<u64>,
        direct: bool,
        via: &str,
    ) -> PyResult<Self> {
        layer.ours(py)?;
        let how = Reading { piece, ahead, offset, length, direct, via: self::via(py, via)? };
        let core = py.detach(|| disk::Reader::new(&layer.shared.core.pool, fd, how));
        Ok(Self { core: core.map_err(|error| trouble(py, &error))? })
    }

    /// The next piece, whole unless the data end in it; None at the end.
    fn next(&self, py: Python<'_>) -> PyResult<Option<Buffer>> {
        Ok(until(py, || self.core.next(SLICE))?.map(Buffer::new))
    }

    /// Ends a waiting `next`, and every later one, with ClosedError. From any thread.
    fn cancel(&self) {
        self.core.cancel();
    }

    /// Lets go of the file, when the kernel has let go of all memory. Idempotent.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        until(py, || self.core.close(SLICE))
    }

    #[getter]
    fn via(&self) -> &'static str {
        self.core.via()
    }

    /// Bytes given out.
    #[getter]
    fn position(&self) -> u64 {
        self.core.position()
    }

    /// Whether the page cache is passed by.
    #[getter]
    fn direct(&self) -> bool {
        self.core.is_direct()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        Python::try_attach(|py| py.detach(|| while let Ok(Look::Later) = self.core.close(SLICE) {}));
    }
}

/// Writes a file, pipe or device, behind the caller's back. What was not flushed when it dies may not be written.
#[pyclass(frozen, module = "acrypto._core")]
pub struct Writer {
    core: disk::Writer,
}

#[pymethods]
impl Writer {
    #[new]
    #[pyo3(signature = (layer, fd, *, behind, offset = None, direct = false, via = "auto"))]
    #[allow(clippy::too_many_arguments)] // settings, by name
    fn new(
        py: Python<'_>,
        layer: &Layer,
        fd: RawFd,
        behind: usize,
        offset: Option<u64>,
        direct: bool,
        via: &str,
    ) -> PyResult<Self> {
        layer.ours(py)?;
        let how = Writing { behind, offset, direct, via: self::via(py, via)? };
        let core = py.detach(|| disk::Writer::new(&layer.shared.core.pool, fd, how));
        Ok(Self { core: core.map_err(|error| trouble(py, &error))? })
    }

    /// Takes a piece, and waits while more than `behind` bytes are unwritten.
    fn write(&self, py: Python<'_>, piece: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut lent: Option<Box<dyn Loan>> = Some(Box::new(Pins::lend(piece)?));
        // What is given back is dropped here, where the interpreter is attached.
        until(py, || self.core.write(&mut lent, SLICE)).map(drop)
    }

    /// Waits until all is written that was taken.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        until(py, || self.core.flush(SLICE)).map(drop)
    }

    /// Ends a waiting call, and every later one, with ClosedError. From any thread.
    fn cancel(&self) {
        self.core.cancel();
    }

    /// Lets go of the file, when the kernel has let go of all memory. Withdraws what was not flushed. Idempotent.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        until(py, || self.core.close(SLICE))
    }

    #[getter]
    fn via(&self) -> &'static str {
        self.core.via()
    }

    /// Bytes taken.
    #[getter]
    fn position(&self) -> u64 {
        self.core.position()
    }

    /// Whether the page cache is passed by.
    #[getter]
    fn direct(&self) -> bool {
        self.core.is_direct()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        Python::try_attach(|py| py.detach(|| while let Ok(Look::Later) = self.core.close(SLICE) {}));
    }
}

/// Bytes that the core has copied since the process started, by place.
#[pyfunction]
pub fn copies(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let counts = PyDict::new(py);
    for (place, nbytes) in copied() {
        counts.set_item(place.name(), nbytes)?;
    }
    Ok(counts)
}

/// Notes a copy that was made elsewhere, of any size.
#[pyfunction]
pub fn count_copy(py: Python<'_>, place: &str, nbytes: usize) -> PyResult<()> {
    let names = Place::ALL.map(Place::name).join(", ");
    let unknown = || Status::usage(format!("place is {place:?}; it must be one of {names}"));
    count_all(Place::named(place).ok_or_else(unknown).or_raise(py)?, nbytes);
    Ok(())
}
