//! Borrowing Python memory, and lending ours: the one file of this crate that may say `unsafe`.
//!
//! A [`Pin`] holds a buffer export (or, for `bytes`, simply a reference: they cannot move or change), so the memory can
//! be neither freed nor resized while a request runs. Nothing stops another thread from *writing* to a pinned bytearray.
//! Our contract forbids that; if it happens anyway the output is garbage in practice and undefined in theory.
//! docs/security.md, "Borrowed memory", says so to the user.

#![allow(unsafe_code)]

use crate::error::OrRaise;
use crate::layer::Layer;
use acrypto_core::buffer::{Output, Pool, Source, Tray};
use acrypto_core::copies::{self, Place};
use acrypto_core::disk::Loan;
use pyo3::exceptions::{PyBufferError, PyIndexError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PySlice, PyTuple};
use std::ffi::c_int;
use std::sync::Arc;

mod numbers;
mod reach;
mod tray;
pub use numbers::{Numbers, integers};
pub use reach::Reached;

/// A buffer export in PyO3-free form: `PyBuffer<u8>` would refuse views whose items are not bytes.
pub struct View(Box<ffi::Py_buffer>);

// SAFETY: the struct is plain data; it is released only with the interpreter attached (see `drop`).
unsafe impl Send for View {}
// SAFETY: as above; shared access only reads the pointer and the length.
unsafe impl Sync for View {}

impl View {
    fn get(object: &Bound<'_, PyAny>, flags: c_int) -> PyResult<Self> {
        // SAFETY: an all-zero Py_buffer is what PyObject_GetBuffer expects to fill.
        let mut view: Box<ffi::Py_buffer> = Box::new(unsafe { std::mem::zeroed() });
        // SAFETY: `object` is alive and the interpreter attached; the view lives in a box, so it never moves.
        let code = unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *view, flags) };
        if code != 0 { Err(PyErr::fetch(object.py())) } else { Ok(Self(view)) }
    }

    /// Never null, which an exporter of nothing may give but a slice may not have.
    fn start(&self) -> *mut u8 {
        if self.0.buf.is_null() { std::ptr::NonNull::dangling().as_ptr() } else { self.0.buf.cast() }
    }

    fn len(&self) -> usize {
        usize::try_from(self.0.len).unwrap_or(0)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // Without an interpreter (it is shutting down) the export leaks, which harms nobody any more.
        Python::try_attach(|_| {
            // SAFETY: filled by PyObject_GetBuffer and not released before; the interpreter is attached.
            unsafe { ffi::PyBuffer_Release(&raw mut *self.0) };
        });
    }
}

/// Keeps borrowed memory in place.
pub enum Pin {
    Bytes(#[allow(dead_code)] Py<PyBytes>),
    View(#[allow(dead_code)] View),
    Tray(#[allow(dead_code)] Arc<Tray>),
}

/// What is pinned for one operation. Most pin one object, which then needs no vector.
#[derive(Default)]
pub enum Pins {
    #[default]
    None,
    One(Pin),
    #[allow(clippy::box_collection)] // one word, since most have none
    Many(Box<Vec<Pin>>),
}

type Span = (*const u8, usize);

impl Pins {
    fn hold(&mut self, pin: Pin) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(pin),
            Self::One(first) => Self::Many(Box::new(vec![first, pin])),
            Self::Many(mut all) => {
                all.push(pin);
                Self::Many(all)
            }
        };
    }

    /// Holds what others hold, too.
    pub fn absorb(&mut self, others: Self) {
        match others {
            Self::None => {}
            Self::One(pin) => self.hold(pin),
            Self::Many(all) => all.into_iter().for_each(|pin| self.hold(pin)),
        }
    }

    /// Borrows one object.
    fn pin(&mut self, object: &Bound<'_, PyAny>) -> PyResult<Span> {
        if let Ok(bytes) = object.cast_exact::<PyBytes>() {
            let slice = bytes.as_bytes();
            let span = (slice.as_ptr(), slice.len());
            self.hold(Pin::Bytes(bytes.clone().unbind()));
            return Ok(span);
        }
        let view = View::get(object, ffi::PyBUF_SIMPLE).map_err(|error| explain(object, error))?;
        let span = (view.start().cast_const(), view.len());
        self.hold(Pin::View(view));
        Ok(span)
    }

    /// Borrows a message: one buffer, or a list or tuple of buffers.
    pub fn source(&mut self, object: &Bound<'_, PyAny>) -> PyResult<Source> {
        let mut spans: Vec<Span> = Vec::new();
        if let Ok(list) = object.cast::<PyList>() {
            for item in list.iter() {
                spans.push(self.pin(&item)?);
            }
        } else if let Ok(tuple) = object.cast::<PyTuple>() {
            for item in tuple.iter() {
                spans.push(self.pin(&item)?);
            }
        } else {
            let span = self.pin(object)?;
            // SAFETY: pinned by `self`, which outlives the request (it is kept with the operation until release).
            return Ok(unsafe { Source::borrowed(&[span]) });
        }
        // SAFETY: as above, every span is pinned by `self`.
        Ok(unsafe { Source::borrowed(&spans) })
    }

    /// Borrows one buffer for a write that goes on behind the caller's back.
    pub fn lend(object: &Bound<'_, PyAny>) -> PyResult<Lent> {
        let mut pins = Self::default();
        let span = pins.pin(object)?;
        Ok(Lent { _pins: pins, span })
    }

    /// Borrows one buffer; a list or tuple is none.
    pub fn buffer(&mut self, object: &Bound<'_, PyAny>) -> PyResult<Source> {
        let span = self.pin(object)?;
        // SAFETY: as in `source`.
        Ok(unsafe { Source::borrowed(&[span]) })
    }

    /// Borrows one buffer and cuts it into units of `unit` bytes, the last one perhaps shorter.
    pub fn units(&mut self, object: &Bound<'_, PyAny>, unit: usize) -> PyResult<Vec<Source>> {
        let (start, len) = self.pin(object)?;
        let cut = |at: usize| {
            // SAFETY: `at < len`, so the sum stays inside the pinned memory; the length is cut to its end.
            unsafe { Source::borrowed(&[(start.add(at), unit.min(len - at))]) }
        };
        Ok((0..len).step_by(unit.max(1)).map(cut).collect())
    }

    /// Borrows writable memory for a result; refuses memory that a source lies in.
    pub fn output(&mut self, object: &Bound<'_, PyAny>, pool: &Arc<Pool>, sources: &[&Source]) -> PyResult<Output> {
        let view = View::get(object, ffi::PyBUF_WRITABLE).map_err(|error| explain(object, error))?;
        let (start, capacity) = (view.start(), view.len());
        refuse_overlap(start, capacity, sources.iter().copied())?;
        self.hold(Pin::View(view));
        // SAFETY: the export is held by `self` until release, it is writable, and it overlaps no source.
        Ok(unsafe { Output::fixed(pool, start, capacity) })
    }

    /// A copy of a short argument (nonce, tag).
    pub fn short<T: for<'a> From<&'a [u8]>>(object: Option<&Bound<'_, PyAny>>) -> PyResult<T> {
        let Some(object) = object else { return Ok(T::from(&[])) };
        if let Ok(bytes) = object.cast_exact::<PyBytes>() {
            return Ok(T::from(bytes.as_bytes()));
        }
        let view = View::get(object, ffi::PyBUF_SIMPLE).map_err(|error| explain(object, error))?;
        // SAFETY: the export is held through this statement.
        Ok(T::from(unsafe { std::slice::from_raw_parts(view.start().cast_const(), view.len()) }))
    }
}

/// Whether an object lends its memory.
pub fn is_buffer(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: a live object; it is only asked for its type.
    unsafe { ffi::PyObject_CheckBuffer(object.as_ptr()) != 0 }
}

/// Refuses memory for results that a source lies in.
fn refuse_overlap<'a>(start: *mut u8, capacity: usize, sources: impl Iterator<Item = &'a Source>) -> PyResult<()> {
    let into = start as usize..start as usize + capacity;
    for segment in sources.flat_map(Source::segments) {
        let from = segment.as_ptr() as usize;
        if !segment.is_empty() && from < into.end && from + segment.len() > into.start {
            return Err(PyBufferError::new_err("into overlaps a source"));
        }
    }
    Ok(())
}

/// One borrowed buffer, kept in place while this lives. Better dropped with the interpreter attached.
pub struct Lent {
    _pins: Pins,
    span: Span,
}

// SAFETY: the span is pinned and only read; the pins may be dropped on any thread.
unsafe impl Send for Lent {}

// SAFETY: the pins keep the span readable and where it is, wherever this value moves. That nobody writes to it is the
// contract told in the head of this file.
unsafe impl Loan for Lent {
    fn bytes(&self) -> &[u8] {
        // SAFETY: pinned by `_pins`, which live as long as `self`.
        unsafe { std::slice::from_raw_parts(self.span.0, self.span.1) }
    }
}

fn explain(object: &Bound<'_, PyAny>, error: PyErr) -> PyErr {
    let kind = object.get_type();
    if error.is_instance_of::<PyTypeError>(object.py()) {
        return PyTypeError::new_err(format!("a bytes-like object is wanted, not {kind}"));
    }
    PyBufferError::new_err(format!("{kind} does not lend its memory in one piece: {error}"))
}

/// The parts, put together in a `bytes` object.
pub fn joined<'py, 'a>(
    py: Python<'py>,
    len: usize,
    parts: impl Iterator<Item = &'a [u8]>,
) -> PyResult<Bound<'py, PyBytes>> {
    // SAFETY: null asks for an object whose bytes are not set yet; nobody else knows it before we return.
    let object = unsafe {
        Bound::from_owned_ptr_or_err(py, ffi::PyBytes_FromStringAndSize(std::ptr::null(), len as ffi::Py_ssize_t))
    }?;
    let bytes = object.cast_into::<PyBytes>()?;
    // SAFETY: the object is a `bytes`.
    let start = unsafe { ffi::PyBytes_AsString(bytes.as_ptr()) }.cast::<u8>();
    let mut at = 0;
    for part in parts {
        let count = part.len().min(len - at);
        // SAFETY: `at + count` is at most `len`, the object's size; `part` is other memory.
        unsafe { std::ptr::copy_nonoverlapping(part.as_ptr(), start.add(at), count) };
        at += count;
    }
    // SAFETY: the bytes from `at` to `len` belong to the object; none are left if the parts are as long as was said.
    unsafe { std::ptr::write_bytes(start.add(at), 0, len - at) };
    Ok(bytes)
}

/// A result: read-only bytes in pooled memory, which goes back to the pool when the object dies.
///
/// Lends its memory through the buffer protocol without a copy; `bytes(buffer)` copies. Compares equal to any
/// bytes-like object of the same bytes. May be used from any thread.
#[pyclass(frozen, module = "acrypto", name = "Buffer", sequence)]
pub struct Buffer {
    output: Option<Output>,
    /// Of a batch: what its results lie in, and where the last one ends.
    tray: Option<(Arc<Tray>, usize)>,
}

/// Giving back more than this to the system takes milliseconds, which nobody should wait for with the GIL held.
const SLOW_TO_FREE: usize = 8 << 20;

impl Buffer {
    pub fn new(output: Output) -> Self {
        Self { output: Some(output), tray: None }
    }

    /// The results of a batch, which are all laid.
    pub fn laid(tray: Arc<Tray>, len: usize) -> Self {
        Self { output: None, tray: Some((tray, len)) }
    }

    pub fn as_slice(&self) -> &[u8] {
        match &self.tray {
            Some((tray, len)) => tray.bytes(*len),
            None => self.output.as_ref().map_or(&[], Output::as_slice),
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(output) = self.output.take_if(|output| output.capacity() > SLOW_TO_FREE) {
            Python::try_attach(|py| py.detach(|| drop(output)));
        }
        if let Some(tray) = self.tray.take_if(|(_, len)| *len > SLOW_TO_FREE) {
            Python::try_attach(|py| py.detach(|| drop(tray)));
        }
    }
}

#[pymethods]
impl Buffer {
    fn __len__(&self) -> usize {
        self.as_slice().len()
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        copies::count(Place::Bytes, self.as_slice().len());
        PyBytes::new(py, self.as_slice())
    }

    /// The bytes, copied.
    fn tobytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.__bytes__(py)
    }

    /// The bytes as lower-case hexadecimal digits.
    fn hex(&self) -> String {
        self.as_slice().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The bytes decoded to text.
    #[pyo3(signature = (encoding = "utf-8", errors = "strict"))]
    fn decode<'py>(&self, py: Python<'py>, encoding: &str, errors: &str) -> PyResult<Bound<'py, PyAny>> {
        self.__bytes__(py).call_method1("decode", (encoding, errors))
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let slice = self.as_slice();
        if let Ok(range) = index.cast::<PySlice>() {
            let range = range.indices(slice.len() as isize)?;
            let (from, to) = (range.start.max(0) as usize, range.stop.max(0) as usize);
            if let Some(part) = slice.get(from..to.max(from)).filter(|_| range.step == 1) {
                copies::count(Place::Bytes, part.len());
                return Ok(PyBytes::new(py, part).into_any());
            }
            return self.__bytes__(py).as_any().get_item(index);
        }
        let at: isize = index.extract()?;
        let at = if at < 0 { at + slice.len() as isize } else { at };
        let byte = usize::try_from(at).ok().and_then(|at| slice.get(at));
        let byte = byte.ok_or_else(|| PyIndexError::new_err("index out of range"))?;
        Ok(byte.into_pyobject(py)?.into_any())
    }

    fn __add__<'py>(&self, py: Python<'py>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.__bytes__(py).into_any().add(other)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        match View::get(other, ffi::PyBUF_SIMPLE) {
            Err(_) => false,
            // SAFETY: the export is held through this expression.
            Ok(view) => self.as_slice() == unsafe { std::slice::from_raw_parts(view.start(), view.len()) },
        }
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.__bytes__(py).hash()
    }

    fn __repr__(&self) -> String {
        // Never the bytes: results may be secret.
        format!("<acrypto.Buffer of {} bytes>", self.as_slice().len())
    }

    /// # Safety
    /// Called by the interpreter with a view to fill.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let slice = slf.get().as_slice();
        // SAFETY: the memory lives as long as `slf`, to which PyBuffer_FillInfo takes a reference; it is never moved or
        // written after the object is made; `view` comes from the interpreter.
        let code = unsafe {
            ffi::PyBuffer_FillInfo(
                view,
                slf.as_ptr(),
                slice.as_ptr().cast_mut().cast(),
                slice.len() as ffi::Py_ssize_t,
                1,
                flags,
            )
        };
        if code != 0 { Err(PyErr::fetch(slf.py())) } else { Ok(()) }
    }
}

/// Writable memory of the layer's pool that begins on a page: for `readinto` of files that only Python can read.
///
/// Holds whatever it held before. Lends its memory, to write and to read, through the buffer protocol; goes back to the
/// pool when it and all views of it are gone. Two threads that write to it at once write to the same bytes.
#[pyclass(frozen, module = "acrypto._core", name = "Space")]
pub struct Space {
    start: *mut u8,
    output: Output,
}

// SAFETY: we ourselves never touch the bytes; who writes them when is up to those who hold views, as for a bytearray.
unsafe impl Send for Space {}
// SAFETY: as above.
unsafe impl Sync for Space {}

#[pymethods]
impl Space {
    #[new]
    fn new(py: Python<'_>, layer: &Layer, nbytes: usize) -> PyResult<Self> {
        layer.ours(py)?;
        let mut output = Output::pooled(&layer.shared.core.pool);
        let start = output.paged(nbytes).or_raise(py)?.as_mut_ptr();
        output.set_len(nbytes);
        Ok(Self { start, output })
    }

    fn __len__(&self) -> usize {
        self.output.len()
    }

    fn __repr__(&self) -> String {
        format!("<acrypto.Space of {} bytes>", self.output.len())
    }

    /// # Safety
    /// Called by the interpreter with a view to fill.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let own = slf.get();
        let len = own.output.len() as ffi::Py_ssize_t;
        // SAFETY: the memory lives as long as `slf`, to which PyBuffer_FillInfo takes a reference, and is never moved;
        // `start` was taken from exclusive access, and no reference of ours to the bytes is made after.
        let code = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), own.start.cast(), len, 0, flags) };
        if code != 0 { Err(PyErr::fetch(slf.py())) } else { Ok(()) }
    }
}
