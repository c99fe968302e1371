//! The engine over intel-ipsec-mb, and whether its library is here.

use acrypto_core::engine::Engine;
use acrypto_core::engines::multibuffer::Multibuffer;
use acrypto_core::ffi::ipsec_mb::Library;
use acrypto_core::status::Outcome;
use pyo3::prelude::*;
use std::sync::Arc;

/// Fails with the reason if the library is not here, or not known.
pub fn engine() -> Outcome<Arc<dyn Engine>> {
    Ok(Arc::new(Multibuffer::new()?))
}

/// The version and the file of intel-ipsec-mb, or `None` and why it cannot be used.
#[pyfunction]
pub fn ipsec_mb(py: Python<'_>) -> (Option<&'static str>, String) {
    match py.detach(Library::get) {
        Ok(library) => (Some(library.version()), library.file().to_owned()),
        Err(reason) => (None, reason),
    }
}
