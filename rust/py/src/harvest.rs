//! What a result is given as: the core's units become Python objects.

use crate::batch::{self, Plan};
use crate::buffer::Buffer;
use crate::completion::Told;
use crate::error::raise;
use crate::pagestore;
use acrypto_core::operation as core;
use acrypto_core::status::Status;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

/// What a result is given as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Buffer,
    Bytes,
    /// Bytes written into the caller's memory.
    Count,
    Nothing,
}

/// How the results of an operation are handed out.
pub enum Harvest {
    One(Shape),
    Many {
        each: Shape,
        return_exceptions: bool,
        num: u32,
    },
    /// In one piece of memory.
    Laid(Box<Plan>),
    /// Pages of a page store.
    Pages(Box<pagestore::Plan>),
}

impl Shape {
    pub fn convert(self, py: Python<'_>, output: acrypto_core::buffer::Output) -> PyResult<Py<PyAny>> {
        Ok(match self {
            Self::Buffer => Py::new(py, Buffer::new(output))?.into_any(),
            Self::Bytes => PyBytes::new(py, output.as_slice()).unbind().into_any(),
            Self::Count => output.len().into_pyobject(py)?.unbind().into_any(),
            Self::Nothing => py.None(),
        })
    }
}

/// How an operation ended, or that it has not.
pub enum Outcome {
    Pending,
    Value(Py<PyAny>),
    Error(Py<PyBaseException>),
    Cancelled,
}

/// All of it, as the outcome and what is told beside.
pub fn harvested(py: Python<'_>, harvest: &Harvest, settled: core::Settled) -> (Outcome, Told) {
    let mut settled = settled;
    let (outcome, checksum) = match harvest {
        Harvest::One(shape) => {
            let lost = || Err(Status::Internal("a completion without a result".into()));
            harvest_one(py, settled.units.into_iter().next().unwrap_or_else(lost), *shape)
        }
        Harvest::Many { each, return_exceptions, num } => {
            let mut units = settled.units;
            // Lost or abandoned as a whole: the one failure is every unit's.
            if let (Some(Err(status)), true) = (units.first(), units.len() < *num as usize) {
                let status = status.clone();
                units.resize_with(*num as usize, || Err(status.clone()));
            }
            let outcome = harvest_many(py, units, *each, *return_exceptions);
            (outcome.map_or_else(|error| Outcome::Error(error.into_value(py)), Outcome::Value), None)
        }
        Harvest::Laid(plan) => {
            let (completion, route) = (settled.completion.clone(), settled.route.take());
            let outcome = batch::harvest(py, plan, settled);
            let outcome = outcome.map_or_else(|error| Outcome::Error(error.into_value(py)), Outcome::Value);
            return (outcome, (completion, None, route));
        }
        Harvest::Pages(plan) => {
            let completion = settled.completion.clone();
            let outcome = pagestore::harvest(py, plan, settled);
            let outcome = outcome.map_or_else(|error| Outcome::Error(error.into_value(py)), Outcome::Value);
            return (outcome, (completion, None, None));
        }
    };
    (outcome, (settled.completion, checksum, settled.route))
}

pub fn harvest_one(py: Python<'_>, result: core::UnitResult, shape: Shape) -> (Outcome, Option<u32>) {
    let (outcome, checksum) = match result {
        Ok((output, facts)) => (shape.convert(py, output), facts.checksum),
        Err(status) => (Err(raise(py, &status)), None),
    };
    (outcome.map_or_else(|error| Outcome::Error(error.into_value(py)), Outcome::Value), checksum)
}

fn harvest_many(
    py: Python<'_>,
    units: Vec<core::UnitResult>,
    each: Shape,
    return_exceptions: bool,
) -> PyResult<Py<PyAny>> {
    let mut results = Vec::with_capacity(units.len());
    for unit in units {
        results.push(match unit {
            Ok((output, _)) => each.convert(py, output)?,
            Err(status) if return_exceptions => raise(py, &status).into_value(py).into_any(),
            Err(status) => return Err(raise(py, &status)),
        });
    }
    Ok(PyList::new(py, results)?.unbind().into_any())
}
