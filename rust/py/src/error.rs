//! Statuses to Python exceptions. The classes are defined in Python (`acrypto.model.errors`) and handed down once.

use acrypto_core::status::Status;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

static ERRORS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// Hands down the exception classes by name. The first call counts.
#[pyfunction]
pub fn set_errors(classes: Bound<'_, PyDict>) {
    let _ = ERRORS.set(classes.py(), classes.unbind());
}

fn class<'py>(py: Python<'py>, name: &str) -> Option<Bound<'py, PyType>> {
    let class = ERRORS.get(py)?.bind(py).get_item(name).ok()??;
    class.cast_into::<PyType>().ok()
}

fn build(py: Python<'_>, name: &str, message: String, fact: Option<u64>) -> PyErr {
    let Some(class) = class(py, name) else {
        return PyRuntimeError::new_err(message);
    };
    let made = match fact {
        Some(fact) => class.call1((message, fact)),
        None => class.call1((message,)),
    };
    made.map_or_else(|error| error, PyErr::from_value)
}

/// The one mapping from statuses to exceptions.
pub fn raise(py: Python<'_>, status: &Status) -> PyErr {
    let message = status.to_string();
    match status {
        Status::Usage(_) => {
            if ERRORS.get(py).is_none() {
                return PyValueError::new_err(message);
            }
            build(py, "UsageError", message, None)
        }
        Status::UnknownAlgorithm(_) => build(py, "UnknownAlgorithm", message, None),
        Status::NoEngine(_) => build(py, "NoEngine", message, None),
        Status::AuthenticationFailed => build(py, "AuthenticationError", message, None),
        Status::Corrupt { offset, .. } => build(py, "CorruptInput", message, Some(*offset)),
        Status::OutputTooSmall { capacity } => build(py, "OutputTooSmall", message, Some(*capacity as u64)),
        Status::LimitExceeded { limit } => build(py, "LimitExceeded", message, Some(*limit)),
        Status::QueueFull(_) => build(py, "QueueFull", message, None),
        Status::DeadlineExceeded => build(py, "DeadlineExceeded", message, None),
        Status::DeviceLost(_) => build(py, "DeviceLost", message, None),
        Status::Cancelled => cancelled(py, None),
        Status::Closed(_) => build(py, "ClosedError", message, None),
        Status::Engine { .. } => build(py, "EngineError", message, None),
        Status::Internal(_) => build(py, "InternalError", message, None),
    }
}

/// `asyncio.CancelledError`, which threads that wait get as well.
pub fn cancelled(py: Python<'_>, message: Option<Py<PyAny>>) -> PyErr {
    let made = py.import("asyncio.exceptions").and_then(|module| module.getattr("CancelledError")).and_then(|class| {
        match message {
            Some(message) => class.call1((message,)),
            None => class.call0(),
        }
    });
    made.map_or_else(|error| error, PyErr::from_value)
}

/// `?` over outcomes.
pub trait OrRaise<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, Status> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|status| raise(py, &status))
    }
}
