//! What this build is and can do.

use acrypto_core::alg::{ABSENT, ALGORITHMS};
use acrypto_core::fork;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// Profile, target, CPU features found at run time.
#[pyfunction]
pub fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let info = PyDict::new(py);
    info.set_item("version", env!("CARGO_PKG_VERSION"))?;
    info.set_item("optimised", !cfg!(debug_assertions))?;
    info.set_item("target", format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS))?;
    info.set_item("cpu_features", cpu_features())?;
    Ok(info)
}

/// The features of this list that the running CPU has; the probes are macros of the standard library.
macro_rules! detected {
    ($probe:ident: $($name:tt)*) => {
        [$(($name, std::arch::$probe!($name))),*].into_iter().filter(|(_, found)| *found).map(|(name, _)| name).collect()
    };
}

#[cfg(target_arch = "x86_64")]
fn cpu_features() -> Vec<&'static str> {
    detected!(is_x86_feature_detected:
        "aes" "pclmulqdq" "sha" "ssse3" "sse4.2" "avx" "avx2" "bmi2" "avx512f" "avx512bw" "avx512vl" "avx512ifma"
        "avx512vbmi2" "vaes" "vpclmulqdq" "gfni")
}

#[cfg(target_arch = "aarch64")]
fn cpu_features() -> Vec<&'static str> {
    detected!(is_aarch64_feature_detected: "neon" "aes" "pmull" "sha2" "sha3" "crc" "sve" "sve2")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn cpu_features() -> Vec<&'static str> {
    Vec::new()
}

/// One dict per algorithm that the core has: name, kind, driver, library, insecure.
#[pyfunction]
pub fn algorithms(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for algorithm in ALGORITHMS.iter().copied().flatten() {
        let row = PyDict::new(py);
        row.set_item("name", algorithm.name)?;
        row.set_item("kind", algorithm.kind.name())?;
        row.set_item("driver", algorithm.driver)?;
        row.set_item("library", algorithm.library)?;
        row.set_item("insecure", algorithm.insecure)?;
        list.append(row)?;
    }
    Ok(list)
}

/// Names of the field that nobody here can do, and why.
#[pyfunction]
pub fn absent() -> Vec<(&'static str, &'static str)> {
    ABSENT.to_vec()
}

/// To be called in a forked child: layers of the parent refuse work from then on.
#[pyfunction]
pub fn child_started() {
    fork::child_started();
}
