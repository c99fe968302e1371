//! zlib's streams and functions with the signatures and the outcomes of CPython's `zlib` module.
//!
//! One lock for each stream, which is waited for without the GIL, so that threads may share one. What a call leaves over
//! (`unused_data`, `unconsumed_tail`) is made a Python object under that lock.

mod buffering;
mod deflater;
mod inflater;

pub use buffering::BufferingInflater;
pub use deflater::{Deflater, zlib_compressobj};
pub use inflater::{Inflater, zlib_decompressobj};

use crate::buffer::{Pins, joined};
use crate::loops::running_loop;
use crate::oneshot::POOL;
use acrypto_core::alg::zlib::{self as core, Blocks, Deflating, Fault, Inflating};
use acrypto_core::buffer::Output;
use acrypto_core::ffi::libdeflate;
use acrypto_core::ffi::zlib::{self as ffi, Options};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::{MutexExt, PyOnceLock};
use pyo3::types::{PyBytes, PyType};
use std::sync::{Mutex, MutexGuard, PoisonError};

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

fn or_empty<'py>(py: Python<'py>, bytes: Option<&Py<PyBytes>>) -> Bound<'py, PyBytes> {
    bytes.map_or_else(|| PyBytes::new(py, b""), |bytes| bytes.bind(py).clone())
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
    checksum(data, value, 1, |value, bytes| {
        // Of no data zlib gives the start back as the number that it stands for.
        let reduced = |half: u32| half % 65521;
        if bytes.is_empty() {
            reduced(value >> 16) << 16 | reduced(value & 0xffff)
        } else {
            libdeflate::adler32(value, bytes)
        }
    })
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
