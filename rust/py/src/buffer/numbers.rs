//! Whole numbers through the buffer protocol: lent to arrays without a copy, and read from them.

use super::{View, explain};
use crate::error::OrRaise;
use acrypto_core::status::Status;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use std::ffi::{CStr, c_int};

/// Numbers of 64 bits that `memoryview` and numpy see as they lie.
#[pyclass(frozen, module = "acrypto._core", name = "Numbers")]
pub struct Numbers {
    values: Box<[i64]>,
    shape: [ffi::Py_ssize_t; 1],
    strides: [ffi::Py_ssize_t; 1],
}

const ITEM: usize = size_of::<i64>();
const FORMAT: &CStr = c"q";

impl Numbers {
    pub fn new(values: Vec<i64>) -> Self {
        let shape = [values.len() as ffi::Py_ssize_t];
        Self { values: values.into(), shape, strides: [ITEM as ffi::Py_ssize_t] }
    }

    pub fn values(&self) -> &[i64] {
        &self.values
    }
}

#[pymethods]
impl Numbers {
    fn __len__(&self) -> usize {
        self.values.len()
    }

    /// # Safety
    /// Called by the interpreter with a view to fill.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if flags & ffi::PyBUF_WRITABLE == ffi::PyBUF_WRITABLE {
            return Err(PyBufferError::new_err("these numbers are read-only"));
        }
        let has = |flag: c_int| flags & flag == flag;
        let own = slf.get();
        let null = std::ptr::null_mut();
        let filled = ffi::Py_buffer {
            buf: own.values.as_ptr().cast_mut().cast(),
            obj: slf.as_ptr(),
            len: (own.values.len() * ITEM) as ffi::Py_ssize_t,
            itemsize: ITEM as ffi::Py_ssize_t,
            readonly: 1,
            ndim: 1,
            format: if has(ffi::PyBUF_FORMAT) { FORMAT.as_ptr().cast_mut() } else { std::ptr::null_mut() },
            shape: if has(ffi::PyBUF_ND) { own.shape.as_ptr().cast_mut() } else { std::ptr::null_mut() },
            strides: if has(ffi::PyBUF_STRIDES) { own.strides.as_ptr().cast_mut() } else { std::ptr::null_mut() },
            suboffsets: std::ptr::null_mut(),
            internal: null,
        };
        // SAFETY: `view` comes from the interpreter and is to be filled. The numbers, their shape and strides live and stay
        // in `slf`, to which the view gets a reference of its own; it is read-only, so nobody writes through the pointers.
        unsafe {
            ffi::Py_INCREF(filled.obj);
            view.write(filled);
        }
        Ok(())
    }
}

/// Reads whole numbers: a list or tuple, or any array of them that lies in one piece.
pub fn integers(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    if object.cast::<PyList>().is_ok() || object.cast::<PyTuple>().is_ok() {
        return object.extract();
    }
    let view = View::get(object, ffi::PyBUF_ND | ffi::PyBUF_FORMAT).map_err(|error| explain(object, error))?;
    let format = if view.0.format.is_null() {
        "B"
    } else {
        // SAFETY: a format is a string that ends with zero and lives as long as the view.
        unsafe { CStr::from_ptr(view.0.format) }.to_str().unwrap_or("?")
    };
    let kind =
        format.strip_prefix(['@', '=', if cfg!(target_endian = "little") { '<' } else { '>' }]).unwrap_or(format);
    let item = usize::try_from(view.0.itemsize).unwrap_or(0);
    // SAFETY: the export is held through this function, and is as long as it says.
    let bytes = unsafe { std::slice::from_raw_parts(view.start().cast_const(), view.len()) };
    let is_signed = match kind {
        "b" | "h" | "i" | "l" | "q" | "n" => true,
        "B" | "H" | "I" | "L" | "Q" | "N" => false,
        _ => {
            return Err(PyTypeError::new_err(format!(
                "{name} has items of format {format:?}; whole numbers are wanted"
            )));
        }
    };
    let read = |item: &[u8]| match (is_signed, item) {
        (false, &[a]) => Some(i64::from(a)),
        (true, &[a]) => Some(i64::from(a as i8)),
        (false, &[a, b]) => Some(i64::from(u16::from_ne_bytes([a, b]))),
        (true, &[a, b]) => Some(i64::from(i16::from_ne_bytes([a, b]))),
        (false, &[a, b, c, d]) => Some(i64::from(u32::from_ne_bytes([a, b, c, d]))),
        (true, &[a, b, c, d]) => Some(i64::from(i32::from_ne_bytes([a, b, c, d]))),
        (false, item) => i64::try_from(u64::from_ne_bytes(item.try_into().ok()?)).ok(),
        (true, item) => Some(i64::from_ne_bytes(item.try_into().ok()?)),
    };
    let numbers: Option<Vec<i64>> = bytes.chunks_exact(item.max(1)).map(read).collect();
    let told = || Status::usage(format!("{name} has a number above 2^63 - 1"));
    numbers.ok_or_else(told).or_raise(object.py())
}
