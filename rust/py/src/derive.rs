//! Keys out of keys, passphrases and their text. Secrets are given as a `bytearray`, which its owner can overwrite; every
//! copy in Rust is wiped.

use crate::buffer::Pins;
use crate::error::OrRaise;
use acrypto_core::alg::{self, Call, Direction, Params};
use acrypto_core::buffer::{EMPTY, Output, Pool, Source};
use acrypto_core::derive::{self, Scrypt};
use acrypto_core::status::Status;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use zeroize::Zeroizing;

fn secret(object: &Bound<'_, PyAny>) -> PyResult<Zeroizing<Vec<u8>>> {
    Pins::short(Some(object)).map(Zeroizing::new)
}

/// HKDF (RFC 5869) with sha1, sha256, sha384 or sha512.
#[pyfunction]
pub fn hkdf<'py>(
    py: Python<'py>,
    hash: &str,
    key: &Bound<'py, PyAny>,
    salt: &Bound<'py, PyAny>,
    info: &Bound<'py, PyAny>,
    length: usize,
) -> PyResult<Bound<'py, PyByteArray>> {
    let made = derive::hkdf(hash, &secret(key)?, &secret(salt)?, &secret(info)?, length).or_raise(py)?;
    Ok(PyByteArray::new(py, &made))
}

/// scrypt (RFC 7914) with N = 2^n_log2. Runs without the GIL, for a second or so if that is what is asked.
#[pyfunction]
#[pyo3(signature = (password, salt, n_log2, r, p, length, max_memory))]
#[allow(clippy::too_many_arguments)] // they are RFC 7914's
pub fn scrypt<'py>(
    py: Python<'py>,
    password: &Bound<'py, PyAny>,
    salt: &Bound<'py, PyAny>,
    n_log2: u32,
    r: u32,
    p: u32,
    length: usize,
    max_memory: u64,
) -> PyResult<Bound<'py, PyByteArray>> {
    let (password, salt) = (secret(password)?, secret(salt)?);
    let how = Scrypt { n_log2, r, p, max_memory };
    let made = py.detach(|| derive::scrypt(&password, &salt, how, length)).or_raise(py)?;
    Ok(PyByteArray::new(py, &made))
}

/// So many random bytes of the kernel's, at most 1 MiB: a key, a salt, a nonce.
#[pyfunction]
pub fn random_key(py: Python<'_>, nbytes: usize) -> PyResult<Bound<'_, PyByteArray>> {
    if nbytes as u64 > crate::transform::MAX_RANDOM {
        let most = crate::transform::MAX_RANDOM;
        return Err(Status::Usage(format!("{nbytes} random bytes at once; at most {most} are given"))).or_raise(py);
    }
    PyByteArray::new_with(py, nbytes, |bytes| derive::random(bytes).or_raise(py))
}

/// Runs one short message whose result is a secret.
fn run<'py>(
    py: Python<'py>,
    name: &str,
    direction: Direction,
    key: &Bound<'py, PyAny>,
    nonce: &[u8],
    source: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyByteArray>> {
    let params = Params { key: Some(secret(key)?), ..Params::default() };
    let transform = alg::compile(name, &params).or_raise(py)?;
    let kind = transform.kind();
    if !kind.directions().contains(&direction) {
        let (kind, verb) = (kind.name(), direction.name());
        return Err(Status::usage(format!("{name} is of kind {kind}: it has no {verb}"))).or_raise(py);
    }
    let source = Source::from(Pins::short::<Vec<u8>>(Some(source))?);
    let call = Call { direction, source: &source, nonce, ad: &EMPTY, tag: &[], max_output: 0 };
    transform.check(&call).or_raise(py)?;
    let mut output = Output::pooled(&Pool::new(0));
    py.detach(|| transform.run(&call, &mut output)).or_raise(py)?;
    let made = PyByteArray::new(py, output.as_slice());
    output.wipe(output.capacity());
    Ok(made)
}

/// The secret that a private key and a peer's public key share.
#[pyfunction]
pub fn agree<'py>(
    py: Python<'py>,
    name: &str,
    key: &Bound<'py, PyAny>,
    peer: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyByteArray>> {
    run(py, name, Direction::Agree, key, &[], peer)
}

/// The key that an AEAD has sealed.
#[pyfunction]
pub fn unwrap_key<'py>(
    py: Python<'py>,
    name: &str,
    key: &Bound<'py, PyAny>,
    nonce: &Bound<'py, PyAny>,
    sealed: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyByteArray>> {
    run(py, name, Direction::Decrypt, key, &Pins::short::<Vec<u8>>(Some(nonce))?, sealed)
}

/// Bech32 (BIP 173) of bytes, in lower case.
#[pyfunction]
pub fn bech32_encode(py: Python<'_>, hrp: &str, data: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = derive::bech32_encode(hrp, &secret(data)?).or_raise(py)?;
    Ok(text.to_string())
}

/// The prefix, as it was written, and the bytes. CorruptInput says nothing of the text.
#[pyfunction]
pub fn bech32_decode<'py>(py: Python<'py>, text: &str) -> PyResult<(String, Bound<'py, PyByteArray>)> {
    let (hrp, data) = derive::bech32_decode(text).or_raise(py)?;
    Ok((hrp, PyByteArray::new(py, &data)))
}
