//! Arguments to the core's values.

use crate::error::OrRaise;
use acrypto_core::alg::Params;
use acrypto_core::status::Status;
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::time::Duration;
use zeroize::Zeroizing;

use crate::buffer::Pins;

/// Parameters by name, from keyword arguments. `None` means that a parameter is not given.
pub fn params(py: Python<'_>, given: Option<&Bound<'_, PyDict>>) -> PyResult<Params> {
    let mut params = Params::default();
    let Some(given) = given else { return Ok(params) };
    for (name, value) in given.iter() {
        if value.is_none() {
            continue;
        }
        let name: String = name.extract()?;
        match name.as_str() {
            "key" => params.key = Some(Zeroizing::new(Pins::short(Some(&value))?)),
            "level" => params.level = Some(number(&name, &value, "-2^31 to 2^31 - 1")?),
            "strategy" => params.strategy = Some(value.extract()?),
            "tag_len" => params.tag_len = Some(number(&name, &value, "0 or more")?),
            "digest_size" => params.digest_size = Some(number(&name, &value, "0 or more")?),
            "window" => params.window = Some(number(&name, &value, "0 or more")?),
            "hash" => params.hash = Some(value.extract()?),
            "padding" => params.padding = Some(value.extract()?),
            "part" => params.part = value.extract()?,
            "unit" => params.unit = Some(number(&name, &value, "1 to 2^24")?),
            "verify" => params.verify = value.is_truthy()?,
            _ => return Err(Status::usage(format!("no parameter is called {name:?}"))).or_raise(py),
        }
    }
    Ok(params)
}

/// A whole number; one out of its type's range is the caller's mistake, and told with the range.
pub fn number<'a, 'py, T>(name: &str, value: &'a Bound<'py, PyAny>, range: &str) -> PyResult<T>
where
    T: FromPyObject<'a, 'py, Error = PyErr>,
{
    let py = value.py();
    value.extract().or_else(|error: PyErr| {
        if !error.is_instance_of::<PyOverflowError>(py) {
            return Err(error);
        }
        // Python writes no number of thousands of digits.
        let told = value.str().map_or_else(|_| "too long a number to write".into(), |text| text.to_string());
        Err(Status::usage(format!("{name} is {told}; it must be in {range}"))).or_raise(py)
    })
}

/// A deadline in seconds from now.
pub fn deadline(py: Python<'_>, seconds: Option<f64>) -> PyResult<Option<Duration>> {
    match seconds {
        None => Ok(None),
        // Beyond what a clock can tell, a century say, is never.
        Some(seconds) if seconds > 4e9 => Ok(None),
        Some(seconds) => match Duration::try_from_secs_f64(seconds) {
            Ok(deadline) => Ok(Some(deadline)),
            Err(_) => Err(Status::usage(format!("deadline is {seconds} seconds; it must be 0 or more"))).or_raise(py),
        },
    }
}
