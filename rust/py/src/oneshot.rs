//! Synchronous one-shots: the inline lane without a layer to open.
//!
//! They exist to cost the same as `hashlib` and `cryptography` do, so they make no operation and no completion, start no
//! thread and take no lock but the output pool's.

use crate::buffer::{Buffer, Pins};
use crate::convert::{number, params};
use crate::error::OrRaise;
use crate::transform::MAX_RANDOM;
use acrypto_core::alg::{self, Direction, Params, Transform, public_key as pk};
use acrypto_core::buffer::{Output, Pool};
use acrypto_core::request::{Extra, Unit, cost_bytes};
use acrypto_core::status::Status;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::sync::{Arc, LazyLock, OnceLock};

/// Work on more bytes than this gives the GIL away: a few microseconds of hashing or encrypting.
const DETACH_BYTES: usize = 8192;
/// Compression is slower by so much that nearly everything is worth it.
const DETACH_COMPRESSION_BYTES: usize = 256;
const POOL_BYTES: usize = 32 << 20;
const MAX_OUTPUT: u64 = 1 << 30;

pub static POOL: LazyLock<Arc<Pool>> = LazyLock::new(|| Pool::new(POOL_BYTES));

#[derive(Default)]
struct Given<'a, 'py> {
    nonce: Option<&'a Bound<'py, PyAny>>,
    ad: Option<&'a Bound<'py, PyAny>>,
    tag: Option<&'a Bound<'py, PyAny>>,
    max_output: Option<u64>,
}

fn run<'py>(
    py: Python<'py>,
    transform: &dyn Transform,
    direction: Direction,
    data: &Bound<'py, PyAny>,
    given: &Given<'_, 'py>,
) -> PyResult<Output> {
    let mut pins = Pins::default();
    let source = pins.source(data)?;
    let max_output = given.max_output.unwrap_or(MAX_OUTPUT);
    let extra = match (given.nonce, given.ad, given.tag) {
        (None, None, None) => None,
        (nonce, ad, tag) => {
            let ad = ad.map(|ad| pins.source(ad)).transpose()?.unwrap_or_default();
            Some(Box::new(Extra::new(Pins::short(nonce)?, ad, Pins::short(tag)?)))
        }
    };
    let limit = match direction {
        Direction::Compress | Direction::Decompress => DETACH_COMPRESSION_BYTES,
        _ => DETACH_BYTES,
    };
    let mut unit = Unit { source, extra, output: Output::pooled(&POOL) };
    let detach = match direction {
        Direction::Sign | Direction::Verify | Direction::Agree => true,
        _ => cost_bytes(&unit, direction, max_output) > limit,
    };
    transform.check(&unit.call(direction, max_output)).or_raise(py)?;
    let outcome = if detach {
        py.detach(|| unit.attempt(transform, direction, max_output))
    } else {
        unit.attempt(transform, direction, max_output)
    };
    outcome.or_raise(py)?;
    Ok(unit.output)
}

fn compile(py: Python<'_>, name: &str, parameters: Option<&Bound<'_, PyDict>>) -> PyResult<Arc<dyn Transform>> {
    compile_params(py, name, &params(py, parameters)?)
}

fn compile_params(py: Python<'_>, name: &str, params: &Params) -> PyResult<Arc<dyn Transform>> {
    if alg::find(name).is_some_and(|algorithm| algorithm.insecure) {
        let message = format!("{name} is insecure; open a layer with the setting allow_insecure=True to use it");
        return Err(Status::Usage(message)).or_raise(py);
    }
    alg::compile(name, params).or_raise(py)
}

fn keyed(
    py: Python<'_>,
    name: &str,
    key: &Bound<'_, PyAny>,
    parameters: Option<&Bound<'_, PyDict>>,
) -> PyResult<Arc<dyn Transform>> {
    let mut params = params(py, parameters)?;
    params.key = Some(Pins::short::<Vec<u8>>(Some(key))?.into());
    compile_params(py, name, &params)
}

/// Digests without parameters are compiled once per process.
macro_rules! digests {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[pyfunction]
        pub fn $name<'py>(py: Python<'py>, data: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
            static TRANSFORM: OnceLock<Arc<dyn Transform>> = OnceLock::new();
            let transform = match TRANSFORM.get() {
                Some(transform) => transform,
                None => {
                    let made = compile(py, stringify!($name), None)?;
                    TRANSFORM.get_or_init(|| made)
                }
            };
            let output = run(py, &**transform, Direction::Digest, &data, &Given::default())?;
            Ok(PyBytes::new(py, output.as_slice()))
        }
    )*};
}

digests! {
    /// SHA-1 of one message (FIPS 180-4).
    sha1;
    /// SHA-224 of one message (FIPS 180-4).
    sha224;
    /// SHA-256 of one message (FIPS 180-4).
    sha256;
    /// SHA-384 of one message (FIPS 180-4).
    sha384;
    /// SHA-512 of one message (FIPS 180-4).
    sha512;
    /// BLAKE2b of one message, 64 bytes (RFC 7693).
    blake2b;
    /// BLAKE3 of one message, 32 bytes.
    blake3;
    /// CRC-32 of one message as gzip counts it, 4 bytes big-endian.
    crc32;
    /// CRC-32C of one message (RFC 3720), 4 bytes big-endian.
    crc32c;
}

/// The digest of one message.
#[pyfunction]
#[pyo3(signature = (name, data, **parameters))]
pub fn digest<'py>(
    py: Python<'py>,
    name: &str,
    data: Bound<'py, PyAny>,
    parameters: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let transform = compile(py, name, parameters)?;
    let output = run(py, &*transform, Direction::Digest, &data, &Given::default())?;
    Ok(PyBytes::new(py, output.as_slice()))
}

/// The tag of one message.
#[pyfunction]
#[pyo3(signature = (name, key, data, **parameters))]
pub fn mac<'py>(
    py: Python<'py>,
    name: &str,
    key: Bound<'py, PyAny>,
    data: Bound<'py, PyAny>,
    parameters: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let transform = keyed(py, name, &key, parameters)?;
    let output = run(py, &*transform, Direction::Mac, &data, &Given::default())?;
    Ok(PyBytes::new(py, output.as_slice()))
}

/// Compresses one message.
#[pyfunction]
#[pyo3(signature = (name, data, **parameters))]
pub fn compress<'py>(
    py: Python<'py>,
    name: &str,
    data: Bound<'py, PyAny>,
    parameters: Option<&Bound<'py, PyDict>>,
) -> PyResult<Buffer> {
    let transform = compile(py, name, parameters)?;
    run(py, &*transform, Direction::Compress, &data, &Given::default()).map(Buffer::new)
}

/// Decompresses one message to its end; at most `max_output` bytes, 1 GiB unless told otherwise.
#[pyfunction]
#[pyo3(signature = (name, data, *, max_output = None))]
pub fn decompress<'py>(
    py: Python<'py>,
    name: &str,
    data: Bound<'py, PyAny>,
    max_output: Option<u64>,
) -> PyResult<Buffer> {
    let transform = compile(py, name, None)?;
    let given = Given { max_output, ..Given::default() };
    run(py, &*transform, Direction::Decompress, &data, &given).map(Buffer::new)
}

/// Encrypts one message; an AEAD appends its tag.
#[pyfunction]
#[pyo3(signature = (name, key, nonce, data, ad = None, **parameters))]
pub fn encrypt<'py>(
    py: Python<'py>,
    name: &str,
    key: Bound<'py, PyAny>,
    nonce: Bound<'py, PyAny>,
    data: Bound<'py, PyAny>,
    ad: Option<Bound<'py, PyAny>>,
    parameters: Option<&Bound<'py, PyDict>>,
) -> PyResult<Buffer> {
    let transform = keyed(py, name, &key, parameters)?;
    let given = Given { nonce: Some(&nonce), ad: ad.as_ref(), ..Given::default() };
    run(py, &*transform, Direction::Encrypt, &data, &given).map(Buffer::new)
}

/// Decrypts one message; AuthenticationError releases nothing.
#[pyfunction]
#[pyo3(signature = (name, key, nonce, data, ad = None, **parameters))]
pub fn decrypt<'py>(
    py: Python<'py>,
    name: &str,
    key: Bound<'py, PyAny>,
    nonce: Bound<'py, PyAny>,
    data: Bound<'py, PyAny>,
    ad: Option<Bound<'py, PyAny>>,
    parameters: Option<&Bound<'py, PyDict>>,
) -> PyResult<Buffer> {
    let transform = keyed(py, name, &key, parameters)?;
    let given = Given { nonce: Some(&nonce), ad: ad.as_ref(), ..Given::default() };
    run(py, &*transform, Direction::Decrypt, &data, &given).map(Buffer::new)
}

/// Signs one message with a private key.
#[pyfunction]
#[pyo3(signature = (name, key, data, **parameters))]
pub fn sign<'py>(
    py: Python<'py>,
    name: &str,
    key: Bound<'py, PyAny>,
    data: Bound<'py, PyAny>,
    parameters: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let transform = keyed(py, name, &key, parameters)?;
    let output = run(py, &*transform, Direction::Sign, &data, &Given::default())?;
    Ok(PyBytes::new(py, output.as_slice()))
}

/// Checks a tag or a signature; raises AuthenticationError if it is wrong.
#[pyfunction]
#[pyo3(signature = (name, key, tag, data, **parameters))]
pub fn verify<'py>(
    py: Python<'py>,
    name: &str,
    key: Bound<'py, PyAny>,
    tag: Bound<'py, PyAny>,
    data: Bound<'py, PyAny>,
    parameters: Option<&Bound<'py, PyDict>>,
) -> PyResult<()> {
    let transform = keyed(py, name, &key, parameters)?;
    let given = Given { tag: Some(&tag), ..Given::default() };
    run(py, &*transform, Direction::Verify, &data, &given).map(drop)
}

/// Random bytes, at most 1 MiB at once.
#[pyfunction]
pub fn random<'py>(py: Python<'py>, nbytes: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let nbytes: u64 = number("nbytes", nbytes, "0 to 1048576")?;
    if nbytes > MAX_RANDOM {
        let message = format!("{nbytes} random bytes at once; at most {MAX_RANDOM} are given");
        return Err(Status::Usage(message)).or_raise(py);
    }
    let transform = compile(py, "drbg", None)?;
    let nothing = PyBytes::new(py, b"").into_any();
    let given = Given { max_output: Some(nbytes), ..Given::default() };
    let output = run(py, &*transform, Direction::Generate, &nothing, &given)?;
    Ok(PyBytes::new(py, output.as_slice()))
}

/// A fresh private key as PKCS#8 in DER (RFC 5208), for the algorithms of signatures and agreement.
#[pyfunction]
#[pyo3(signature = (name, **parameters))]
pub fn generate_key<'py>(
    py: Python<'py>,
    name: &str,
    parameters: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let params = params(py, parameters)?;
    let key = py.detach(|| pk::generate(name, &params)).or_raise(py)?;
    Ok(PyBytes::new(py, &key))
}

/// The public half of a private key, as SubjectPublicKeyInfo in DER (RFC 5280).
#[pyfunction]
pub fn public_key<'py>(py: Python<'py>, name: &str, key: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    match keyed(py, name, &key, None)?.public_key() {
        Some(key) => Ok(PyBytes::new(py, &key)),
        None => Err(Status::usage(format!("{name} has no public key"))).or_raise(py),
    }
}
