//! Inflating call by call.

use super::{DETACH_BYTES, bytes, detached, elsewhere, lock, or_empty, raise};
use crate::buffer::{Pins, joined};
use acrypto_core::alg::zlib::{Blocks, Fault, Inflating, Taken};
use acrypto_core::ffi::zlib as ffi;
use pyo3::exceptions::{PyMemoryError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::{Arc, Mutex};

/// Makes an inflater; ValueError for options that zlib refuses.
#[pyfunction]
#[pyo3(signature = (wbits = 15, zdict = None))]
pub fn zlib_decompressobj(wbits: i32, zdict: Option<&Bound<'_, PyAny>>) -> PyResult<Inflater> {
    let stream = inflating(wbits, zdict)?;
    let state = InflaterState { stream, offset: 0, eof: false, unused: None, tail: None };
    Ok(Inflater { state: Mutex::new(state) })
}

pub fn inflating(wbits: i32, zdict: Option<&Bound<'_, PyAny>>) -> PyResult<Inflating> {
    let dictionary = match zdict {
        None => None,
        Some(zdict) => match Pins::short::<Vec<u8>>(Some(zdict)) {
            Ok(dictionary) if dictionary.is_empty() => None,
            Ok(dictionary) => Some(Arc::from(dictionary)),
            Err(_) => return Err(PyTypeError::new_err("zdict argument must support the buffer protocol")),
        },
    };
    match Inflating::new(wbits, dictionary) {
        Ok(stream) => Ok(stream),
        Err((ffi::Z_MEM_ERROR, _)) => Err(PyMemoryError::new_err("Can't allocate memory for decompression object")),
        Err(_) => Err(PyValueError::new_err("Invalid initialization option")),
    }
}

struct InflaterState {
    stream: Inflating,
    /// Bytes consumed in all calls.
    offset: u64,
    eof: bool,
    /// None while there are none, which is the common case.
    unused: Option<Py<PyBytes>>,
    tail: Option<Py<PyBytes>>,
}

impl InflaterState {
    /// Keeps what a call left over.
    fn keep(&mut self, py: Python<'_>, taken: Taken, source: &[u8]) -> PyResult<()> {
        self.offset += taken.consumed as u64;
        let mut left = source.get(taken.consumed..).unwrap_or(&[]);
        if taken.ended {
            self.eof = true;
            if !left.is_empty() {
                let before = self.unused.as_ref().map_or(&[][..], |unused| unused.as_bytes(py));
                let all = joined(py, before.len() + left.len(), [before, left].into_iter())?;
                self.unused = Some(all.unbind());
                left = &[];
            }
        }
        self.tail = if left.is_empty() { None } else { Some(PyBytes::new(py, left).unbind()) };
        Ok(())
    }
}

/// A stream that is inflated call by call. Threads may share it; one call runs at a time.
#[pyclass(frozen, module = "acrypto._core")]
pub struct Inflater {
    state: Mutex<InflaterState>,
}

#[pymethods]
impl Inflater {
    /// A running stream has no bytes to be kept as.
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("cannot pickle a running stream"))
    }

    /// Inflates `data`, to at most `max_length` bytes unless that is 0; `unconsumed_tail` keeps what was not reached.
    #[pyo3(signature = (data, /, max_length = 0))]
    fn decompress<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        max_length: isize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let limit = match max_length {
            0 => usize::MAX,
            1.. => max_length as usize,
            _ => return Err(PyValueError::new_err("max_length must be non-negative")),
        };
        let mut pins = Pins::default();
        let source = pins.buffer(data)?;
        let source = source.as_slice().unwrap_or(&[]);
        let mut out = Blocks::new(limit);
        let mut state = lock(py, &self.state);
        let detach = source.len() > DETACH_BYTES / 2;
        let stream = &mut state.stream;
        let (taken, result) = detached(py, detach, || stream.decompress(source, &mut out));
        state.keep(py, taken, source)?;
        let offset = state.offset;
        drop(state);
        result.map_err(|fault| raise(py, &fault, "while decompressing data", offset))?;
        bytes(py, &out)
    }

    /// Inflates what is left in `unconsumed_tail`, as the last of the data.
    #[pyo3(signature = (length = 16384, /))]
    fn flush<'py>(&self, py: Python<'py>, length: isize) -> PyResult<Bound<'py, PyBytes>> {
        if length <= 0 {
            return Err(PyValueError::new_err("length must be greater than zero"));
        }
        let mut out = Blocks::new(usize::MAX);
        let mut state = lock(py, &self.state);
        let tail = state.tail.take();
        let source = tail.as_ref().map_or(&[][..], |tail| tail.as_bytes(py));
        let stream = &mut state.stream;
        let (taken, result) = py.detach(|| stream.finish(source, &mut out));
        state.keep(py, taken, source)?;
        let offset = state.offset;
        drop(state);
        result.map_err(|fault| raise(py, &fault, "while flushing", offset))?;
        bytes(py, &out)
    }

    /// Another inflater that goes on from here.
    fn copy(&self, py: Python<'_>) -> PyResult<Self> {
        let state = lock(py, &self.state);
        let stream = match state.stream.copy() {
            Ok(stream) => stream,
            Err(Fault::Memory) => {
                return Err(PyMemoryError::new_err("Can't allocate memory for decompression object"));
            }
            Err(_) => return Err(PyValueError::new_err("Inconsistent stream state")),
        };
        let kept = |bytes: &Option<Py<PyBytes>>| bytes.as_ref().map(|bytes| bytes.clone_ref(py));
        let (unused, tail) = (kept(&state.unused), kept(&state.tail));
        Ok(Self { state: Mutex::new(InflaterState { stream, unused, tail, ..*state }) })
    }

    fn __copy__(&self, py: Python<'_>) -> PyResult<Self> {
        self.copy(py)
    }

    #[pyo3(signature = (memo, /))]
    #[allow(unused_variables)] // nothing of ours is shared
    fn __deepcopy__(&self, py: Python<'_>, memo: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.copy(py)
    }

    /// `decompress` without blocking the event loop. Await each call before the next.
    #[pyo3(signature = (data, /, max_length = 0))]
    fn adecompress<'py>(
        slf: &Bound<'py, Self>,
        data: &Bound<'py, PyAny>,
        max_length: isize,
    ) -> PyResult<Bound<'py, PyAny>> {
        elsewhere(slf.as_any(), "decompress", data, Some(max_length))
    }

    /// Whether the end of the stream was reached.
    #[getter]
    fn eof(&self, py: Python<'_>) -> bool {
        lock(py, &self.state).eof
    }

    /// What followed the end of the stream.
    #[getter]
    fn unused_data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        or_empty(py, lock(py, &self.state).unused.as_ref())
    }

    /// What the last call did not reach because of its `max_length`.
    #[getter]
    fn unconsumed_tail<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        or_empty(py, lock(py, &self.state).tail.as_ref())
    }
}
