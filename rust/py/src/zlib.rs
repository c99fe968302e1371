//! zlib's streams and functions with the signatures and the outcomes of CPython's `zlib` module.
//!
//! One lock for each stream, which is waited for without the GIL, so that threads may share one. What a call leaves over
//! (`unused_data`, `unconsumed_tail`) is made a Python object under that lock.

use crate::buffer::{Pins, joined};
use crate::oneshot::POOL;
use crate::port::running_loop;
use acrypto_core::alg::zlib::{self as core, Blocks, Deflating, Fault, Inflating};
use acrypto_core::buffer::Output;
use acrypto_core::ffi::libdeflate;
use acrypto_core::ffi::zlib::{self as ffi, Options};
use pyo3::exceptions::{PyEOFError, PyMemoryError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::{MutexExt, PyOnceLock};
use pyo3::types::{PyBytes, PyType};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Calls with more input than this give the GIL away; so do all that may have much output from little.
const DETACH_BYTES: usize = 512;
/// Checksums are a hundred times as fast.
const DETACH_CHECKSUM: usize = 32 << 10;
/// Input of an async call that is not worth another thread.
const INLINE_BYTES: usize = 1024;

static ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// Hands down the class for bad data. The first call counts.
#[pyfunction]
#[pyo3(signature = (class, /))]
pub fn set_zlib_error(class: Bound<'_, PyType>) {
    let _ = ERROR.set(class.py(), class.unbind());
}

fn bad(py: Python<'_>, message: String, offset: u64) -> PyErr {
    let Some(class) = ERROR.get(py) else { return PyRuntimeError::new_err(message) };
    class.bind(py).call1((message, offset)).map_or_else(|error| error, PyErr::from_value)
}

fn raise(py: Python<'_>, fault: &Fault, doing: &str, offset: u64) -> PyErr {
    match fault {
        Fault::Memory => PyMemoryError::new_err(fault.told(doing)),
        Fault::Zlib { .. } => bad(py, fault.told(doing), offset),
    }
}

fn lock<'a, T>(py: Python<'_>, state: &'a Mutex<T>) -> MutexGuard<'a, T> {
    // A panic in the middle of a call leaves a stream whose next call may fail, but no broken memory.
    state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
}

fn detached<R: Send>(py: Python<'_>, detach: bool, work: impl FnOnce() -> R + Send) -> R {
    if detach { py.detach(work) } else { work() }
}

fn bytes<'py>(py: Python<'py>, out: &Blocks) -> PyResult<Bound<'py, PyBytes>> {
    joined(py, out.len(), out.parts())
}

/// Calls `method` of `object` without blocking the running event loop, in a thread of its default executor unless that
/// costs more than the call. Gives an awaitable.
fn elsewhere<'py>(
    object: &Bound<'py, PyAny>,
    method: &str,
    data: &Bound<'py, PyAny>,
    more: Option<isize>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    let Some(running) = running_loop(py)? else { return Err(PyRuntimeError::new_err("no running event loop")) };
    let method = object.getattr(method)?;
    let is_short = more.is_none() && data.len().is_ok_and(|len| len <= INLINE_BYTES);
    if is_short {
        let future = running.call_method0("create_future")?;
        match method.call1((data,)) {
            Ok(result) => future.call_method1("set_result", (result,))?,
            Err(error) => future.call_method1("set_exception", (error,))?,
        };
        return Ok(future);
    }
    match more {
        None => running.call_method1("run_in_executor", (py.None(), method, data)),
        Some(more) => running.call_method1("run_in_executor", (py.None(), method, data, more)),
    }
}

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
    let dictionary = zdict.map(|zdict| Pins::short(Some(zdict))).transpose()?;
    let options = Options { level, method, wbits, mem_level: memLevel, strategy };
    match Deflating::new(options, dictionary.as_deref()) {
        Ok(stream) => Ok(Deflater { state: Mutex::new(stream) }),
        Err((ffi::Z_MEM_ERROR, _)) => Err(PyMemoryError::new_err("Can't allocate memory for compression object")),
        Err((_, true)) => Err(PyValueError::new_err("Invalid dictionary")),
        Err(_) => Err(PyValueError::new_err("Invalid initialization option")),
    }
}

/// Makes an inflater; ValueError for options that zlib refuses.
#[pyfunction]
#[pyo3(signature = (wbits = 15, zdict = None))]
pub fn zlib_decompressobj(wbits: i32, zdict: Option<&Bound<'_, PyAny>>) -> PyResult<Inflater> {
    let stream = inflating(wbits, zdict)?;
    let state = InflaterState { stream, offset: 0, eof: false, unused: None, tail: None };
    Ok(Inflater { state: Mutex::new(state) })
}

fn inflating(wbits: i32, zdict: Option<&Bound<'_, PyAny>>) -> PyResult<Inflating> {
    let dictionary = match zdict {
        None => None,
        Some(zdict) => match Pins::short(Some(zdict)) {
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
    fn keep(&mut self, py: Python<'_>, taken: core::Taken, source: &[u8]) -> PyResult<()> {
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

fn or_empty<'py>(py: Python<'py>, bytes: Option<&Py<PyBytes>>) -> Bound<'py, PyBytes> {
    bytes.map_or_else(|| PyBytes::new(py, b""), |bytes| bytes.bind(py).clone())
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

/// Compresses a whole message.
#[pyfunction]
#[pyo3(signature = (data, /, level = -1, wbits = 15))]
pub fn zlib_compress<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    level: i32,
    wbits: i32,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut pins = Pins::default();
    let source = pins.buffer(data)?;
    let detach = source.len() > DETACH_BYTES;
    let mut output = Output::pooled(&POOL);
    if let Some(Ok(())) = detached(py, detach, || core::compress_whole(&source, level, wbits, &mut output)) {
        return Ok(PyBytes::new(py, output.as_slice()));
    }
    let options = Options { level, method: 8, wbits, mem_level: 8, strategy: 0 };
    let mut stream = match Deflating::new(options, None) {
        Ok(stream) => stream,
        Err((ffi::Z_MEM_ERROR, _)) => return Err(PyMemoryError::new_err("Out of memory while compressing data")),
        Err(_) => return Err(bad(py, "Bad compression level".to_owned(), 0)),
    };
    let mut out = Blocks::new(usize::MAX);
    let source = source.as_slice().unwrap_or(&[]);
    detached(py, detach, || {
        stream.compress(source, &mut out)?;
        stream.flush(ffi::Z_FINISH, &mut out)
    })
    .map_err(|fault| raise(py, &fault, "while compressing data", 0))?;
    bytes(py, &out)
}

/// Decompresses a whole message; what follows it is ignored, as zlib does.
#[pyfunction]
#[pyo3(signature = (data, /, wbits = 15, bufsize = 16384))]
pub fn zlib_decompress<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    wbits: i32,
    bufsize: isize,
) -> PyResult<Bound<'py, PyBytes>> {
    if bufsize < 0 {
        return Err(PyValueError::new_err("bufsize must be non-negative"));
    }
    let mut pins = Pins::default();
    let source = pins.buffer(data)?;
    let source = source.as_slice().unwrap_or(&[]);
    let detach = source.len() > DETACH_BYTES / 2;
    let mut output = Output::pooled(&POOL);
    if detached(py, detach, || core::decompress_whole(source, wbits, &mut output)).is_ok() {
        return Ok(PyBytes::new(py, output.as_slice()));
    }
    drop(output);
    let doing = "while decompressing data";
    let mut stream = match Inflating::new(wbits, None) {
        Ok(stream) => stream,
        Err((code, _)) => {
            let fault = Fault::Zlib { code, message: None };
            return Err(raise(py, &fault, "while preparing to decompress data", 0));
        }
    };
    let mut out = Blocks::new(usize::MAX);
    let (taken, result) = detached(py, detach, || stream.decompress(source, &mut out));
    let offset = taken.consumed as u64;
    result.map_err(|fault| raise(py, &fault, doing, offset))?;
    if !taken.ended {
        let fault = Fault::Zlib { code: ffi::Z_BUF_ERROR, message: None };
        return Err(raise(py, &fault, doing, offset));
    }
    bytes(py, &out)
}

/// The low 32 bits of any whole number.
fn word(value: Option<&Bound<'_, PyAny>>, default: u32) -> PyResult<u32> {
    let Some(value) = value else { return Ok(default) };
    match value.extract() {
        Ok(value) => Ok(value),
        Err(error) if value.is_instance_of::<pyo3::types::PyInt>() || value.hasattr("__index__")? => {
            let index = value.call_method0("__index__").map_err(|_| error)?;
            index.call_method1("__and__", (u32::MAX,))?.extract()
        }
        Err(error) => Err(error),
    }
}

fn checksum(
    data: &Bound<'_, PyAny>,
    value: Option<&Bound<'_, PyAny>>,
    default: u32,
    function: fn(u32, &[u8]) -> u32,
) -> PyResult<u32> {
    let mut pins = Pins::default();
    let source = pins.buffer(data)?;
    let source = source.as_slice().unwrap_or(&[]);
    let value = word(value, default)?;
    Ok(detached(data.py(), source.len() > DETACH_CHECKSUM, || function(value, source)))
}

/// The CRC-32 of gzip as a number, continued from `value`.
#[pyfunction]
#[pyo3(signature = (data, value = None, /))]
pub fn zlib_crc32(data: &Bound<'_, PyAny>, value: Option<&Bound<'_, PyAny>>) -> PyResult<u32> {
    checksum(data, value, 0, libdeflate::crc32)
}

/// The Adler-32 of zlib as a number, continued from `value`.
#[pyfunction]
#[pyo3(signature = (data, value = None, /))]
pub fn adler32(data: &Bound<'_, PyAny>, value: Option<&Bound<'_, PyAny>>) -> PyResult<u32> {
    checksum(data, value, 1, libdeflate::adler32)
}

fn length(len2: i64) -> PyResult<i64> {
    if len2 < 0 { Err(PyValueError::new_err("len2 must be non-negative")) } else { Ok(len2) }
}

/// The CRC-32 of two messages one after the other, from theirs and the length of the second.
#[pyfunction]
#[pyo3(signature = (crc1, crc2, len2, /))]
pub fn zlib_crc32_combine(crc1: &Bound<'_, PyAny>, crc2: &Bound<'_, PyAny>, len2: i64) -> PyResult<u32> {
    Ok(ffi::crc32_combine(word(Some(crc1), 0)?, word(Some(crc2), 0)?, length(len2)?))
}

/// The Adler-32 of two messages one after the other, from theirs and the length of the second.
#[pyfunction]
#[pyo3(signature = (adler1, adler2, len2, /))]
pub fn adler32_combine(adler1: &Bound<'_, PyAny>, adler2: &Bound<'_, PyAny>, len2: i64) -> PyResult<u32> {
    Ok(ffi::adler32_combine(word(Some(adler1), 1)?, word(Some(adler2), 1)?, length(len2)?))
}

/// The version of the library that serves the streams.
#[pyfunction]
pub fn zlib_version() -> &'static str {
    ffi::version()
}
