//! Inflating call by call, with the input that a limit left over kept inside.

use super::inflater::inflating;
use super::{DETACH_BYTES, bytes, detached, lock, or_empty, raise};
use crate::buffer::Pins;
use acrypto_core::alg::zlib::{Blocks, Inflating};
use pyo3::exceptions::{PyEOFError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Mutex;

struct BufferingState {
    stream: Inflating,
    offset: u64,
    eof: bool,
    /// Input that was not consumed yet, from `begin` on; empty if there is none.
    waiting: Vec<u8>,
    begin: usize,
    unused: Option<Py<PyBytes>>,
}

/// A stream that is inflated call by call and keeps the input that a limit left over, as `bz2` and `lzma` have it.
#[pyclass(frozen, module = "acrypto._core")]
pub struct BufferingInflater {
    state: Mutex<BufferingState>,
}

#[pymethods]
impl BufferingInflater {
    /// Makes an inflater. ValueError for options that zlib refuses.
    #[new]
    #[pyo3(signature = (wbits = 15, zdict = None))]
    fn new(wbits: i32, zdict: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let stream = inflating(wbits, zdict)?;
        let state = BufferingState { stream, offset: 0, eof: false, waiting: Vec::new(), begin: 0, unused: None };
        Ok(Self { state: Mutex::new(state) })
    }

    /// A running stream has no bytes to be kept as.
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("cannot pickle a running stream"))
    }

    /// Inflates what was left over and `data`, to at most `max_length` bytes unless that is negative.
    #[pyo3(signature = (data, max_length = -1))]
    fn decompress<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        max_length: isize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut pins = Pins::default();
        let source = pins.buffer(data)?;
        let source = source.as_slice().unwrap_or(&[]);
        let mut out = Blocks::new(usize::try_from(max_length).unwrap_or(usize::MAX));
        let mut guard = lock(py, &self.state);
        let state = &mut *guard;
        if state.eof {
            return Err(PyEOFError::new_err("End of stream already reached"));
        }
        let was_waiting = !state.waiting.is_empty();
        if was_waiting && !source.is_empty() {
            state.waiting.drain(..state.begin);
            state.waiting.extend_from_slice(source);
            state.begin = 0;
        }
        let input = if was_waiting { state.waiting.get(state.begin..).unwrap_or(&[]) } else { source };
        let stream = &mut state.stream;
        let detach = input.len() > DETACH_BYTES / 2;
        let (taken, result) = detached(py, detach, || stream.decompress(input, &mut out));
        state.offset += taken.consumed as u64;
        let left = input.get(taken.consumed..).unwrap_or(&[]);
        if result.is_err() {
            state.waiting.clear();
        } else if taken.ended {
            state.eof = true;
            state.unused = (!left.is_empty()).then(|| PyBytes::new(py, left).unbind());
            state.waiting = Vec::new();
        } else if left.is_empty() {
            state.waiting.clear();
        } else if was_waiting {
            state.begin += taken.consumed;
        } else {
            (state.waiting, state.begin) = (left.to_vec(), 0);
        }
        let offset = state.offset;
        drop(guard);
        result.map_err(|fault| raise(py, &fault, "while decompressing data", offset))?;
        bytes(py, &out)
    }

    /// Whether the end of the stream was reached.
    #[getter]
    fn eof(&self, py: Python<'_>) -> bool {
        lock(py, &self.state).eof
    }

    /// Whether more output wants more input.
    #[getter]
    fn needs_input(&self, py: Python<'_>) -> bool {
        let state = lock(py, &self.state);
        !state.eof && state.waiting.is_empty()
    }

    /// What followed the end of the stream.
    #[getter]
    fn unused_data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        or_empty(py, lock(py, &self.state).unused.as_ref())
    }
}
