//! Which event loop runs in this thread.
//!
//! `asyncio` has a function for it, which up to CPython 3.11 asks the kernel for the process's number each time: as long
//! as a short operation's own cost. Up to 3.13 what that function looks at lies in the thread's own dictionary, as an
//! object that is made anew whenever a loop starts or stops. While it is the same object, so is the answer. The one
//! unsafe call is for that dictionary, which no safe function gives.

#![allow(unsafe_code)]

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use std::cell::RefCell;

/// Of `sys`; cached, since this is asked on each submission of programs that never import asyncio.
static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
static RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// What the thread's dictionary had, and what asyncio made of it.
struct Known {
    kept: Py<PyAny>,
    answer: Option<Py<PyAny>>,
    generation: u64,
}

thread_local! {
    static KNOWN: RefCell<Option<Known>> = const { RefCell::new(None) };
}

/// The event loop that runs in this thread, if any. Does not import asyncio.
pub fn running_loop(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let function = match RUNNING_LOOP.get(py) {
        Some(function) => function,
        None => {
            let modules = MODULES.get_or_try_init(py, || {
                py.import("sys")?.getattr("modules")?.cast_into::<PyDict>().map(Bound::unbind).map_err(PyErr::from)
            })?;
            let Some(events) = modules.bind(py).get_item(intern!(py, "asyncio.events"))? else { return Ok(None) };
            let Ok(function) = events.getattr("_get_running_loop") else { return Ok(None) };
            RUNNING_LOOP.get_or_init(py, || function.unbind())
        }
    };
    let Some(kept) = kept(py)? else { return ask(py, function) };
    let generation = acrypto_core::fork::generation();
    let known = KNOWN.with_borrow(|known| {
        let same = known.as_ref().filter(|known| known.kept.is(&kept) && known.generation == generation)?;
        Some(same.answer.as_ref().map(|answer| answer.clone_ref(py)))
    });
    if let Some(answer) = known {
        return Ok(answer.map(|answer| answer.into_bound(py)));
    }
    let answer = ask(py, function)?;
    let own = answer.as_ref().map(|answer| answer.clone().unbind());
    let before = KNOWN.replace(Some(Known { kept: kept.unbind(), answer: own, generation }));
    drop(before); // outside the borrow: a loop's end may run any Python code
    Ok(answer)
}

fn ask<'py>(py: Python<'py>, function: &Py<PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let found = function.bind(py).call0()?;
    Ok(if found.is_none() { None } else { Some(found) })
}

/// What asyncio keeps in the thread's dictionary, if it does so in this version.
fn kept(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    // SAFETY: the interpreter is attached to this thread; null means that there is no dictionary, and sets no error.
    let dict = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyThreadState_GetDict()) };
    match dict.as_ref().and_then(|dict| dict.cast::<PyDict>().ok()) {
        Some(dict) => dict.get_item(intern!(py, "__asyncio_running_event_loop__")),
        None => Ok(None),
    }
}
