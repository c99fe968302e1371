//! Deflating call by call.

use super::{DETACH_BYTES, bytes, detached, elsewhere, lock, raise};
use crate::buffer::Pins;
use acrypto_core::alg::zlib::{Blocks, Deflating, Fault};
use acrypto_core::ffi::zlib::{self as ffi, Options};
use pyo3::exceptions::{PyMemoryError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Mutex;

/// A stream that is deflated call by call, with all of zlib's options. Threads may share it; one call runs at a time.
#[pyclass(frozen, module = "acrypto._core")]
pub struct Deflater {
    state: Mutex<Deflating>,
}

#[pymethods]
impl Deflater {
    /// A running stream has no bytes to be kept as.
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("cannot pickle a running stream"))
    }

    /// Takes `data`; gives what comes out meanwhile.
    #[pyo3(signature = (data, /))]
    fn compress<'py>(&self, py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let mut pins = Pins::default();
        let source = pins.buffer(data)?;
        let source = source.as_slice().unwrap_or(&[]);
        let mut out = Blocks::new(usize::MAX);
        let mut state = lock(py, &self.state);
        let stream = &mut *state;
        let result = detached(py, source.len() > DETACH_BYTES, || stream.compress(source, &mut out));
        drop(state);
        result.map_err(|fault| raise(py, &fault, "while compressing data", 0))?;
        bytes(py, &out)
    }

    /// Gives what waits inside; with `Z_FINISH` the stream ends.
    #[pyo3(signature = (mode = 4, /))]
    fn flush<'py>(&self, py: Python<'py>, mode: i32) -> PyResult<Bound<'py, PyBytes>> {
        let mut out = Blocks::new(usize::MAX);
        let mut state = lock(py, &self.state);
        let stream = &mut *state;
        let result = py.detach(|| stream.flush(mode, &mut out));
        drop(state);
        result.map_err(|fault| raise(py, &fault, "while flushing", 0))?;
        bytes(py, &out)
    }

    /// Another deflater that goes on from here.
    fn copy(&self, py: Python<'_>) -> PyResult<Self> {
        match lock(py, &self.state).copy() {
            Ok(stream) => Ok(Self { state: Mutex::new(stream) }),
            Err(Fault::Memory) => Err(PyMemoryError::new_err("Can't allocate memory for compression object")),
            Err(_) => Err(PyValueError::new_err("Inconsistent stream state")),
        }
    }

    fn __copy__(&self, py: Python<'_>) -> PyResult<Self> {
        self.copy(py)
    }

    #[pyo3(signature = (memo, /))]
    #[allow(unused_variables)] // nothing of ours is shared
    fn __deepcopy__(&self, py: Python<'_>, memo: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.copy(py)
    }

    /// `compress` without blocking the event loop. Await each call before the next.
    #[pyo3(signature = (data, /))]
    fn acompress<'py>(slf: &Bound<'py, Self>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        elsewhere(slf.as_any(), "compress", data, None)
    }

    /// `flush` without blocking the event loop. Await each call before the next.
    #[pyo3(signature = (mode = 4, /))]
    fn aflush<'py>(slf: &Bound<'py, Self>, mode: i32) -> PyResult<Bound<'py, PyAny>> {
        elsewhere(slf.as_any(), "flush", mode.into_pyobject(slf.py())?.as_any(), None)
    }
}

/// Makes a deflater; ValueError for options that zlib refuses. The argument's name is CPython's.
#[pyfunction]
#[allow(non_snake_case)]
#[pyo3(signature = (level = -1, method = 8, wbits = 15, memLevel = 8, strategy = 0, zdict = None))]
pub fn zlib_compressobj(
    level: i32,
    method: i32,
    wbits: i32,
    memLevel: i32,
    strategy: i32,
    zdict: Option<&Bound<'_, PyAny>>,
) -> PyResult<Deflater> {
    let dictionary = zdict.map(|zdict| Pins::short::<Vec<u8>>(Some(zdict))).transpose()?;
    let options = Options { level, method, wbits, mem_level: memLevel, strategy };
    match Deflating::new(options, dictionary.as_deref()) {
        Ok(stream) => Ok(Deflater { state: Mutex::new(stream) }),
        Err((ffi::Z_MEM_ERROR, _)) => Err(PyMemoryError::new_err("Can't allocate memory for compression object")),
        Err((_, true)) => Err(PyValueError::new_err("Invalid dictionary")),
        Err(_) => Err(PyValueError::new_err("Invalid initialization option")),
    }
}
