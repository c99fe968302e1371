//! The operations of a transform, as Python calls them: each with a form that waits for room and a `try_` form.
//!
//! Written out rather than generated: this is the face, and a macro would hide its signatures.

use crate::error::OrRaise;
use crate::many::Sources;
use crate::operation::Operation;
use crate::transform::{Asked, ExplanationRow, Message, Transform};
use acrypto_core::alg::Direction;
use acrypto_core::layer::Ask;
use acrypto_core::status::Status;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

/// The options of batches whose results may lie in one piece of memory, and of those whose messages may.
const LAID: &[&str] = &["unit", "into", "slot", "packed", "return_exceptions"];
/// The same, where results have the sizes of their messages.
const PACKED: &[&str] = &["unit", "into", "packed", "return_exceptions"];
const LAID_SPANS: &[&str] =
    &["unit", "lengths", "offsets", "into", "slot", "packed", "return_exceptions", "max_output"];

#[pymethods]
impl Transform {
    /// The algorithm's name.
    #[getter]
    fn algorithm(&self) -> &str {
        &self.recipe.name
    }

    /// What sort of algorithm it is.
    #[getter]
    fn kind(&self) -> &'static str {
        self.recipe.kind.name()
    }

    /// The public half of a private key, as SubjectPublicKeyInfo in DER (RFC 5280).
    fn public_key<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.layer.core.alive().or_raise(py)?;
        let place = py.detach(|| self.layer.core.first_place(&self.recipe)).or_raise(py)?;
        match place.transform().and_then(|transform| transform.public_key()) {
            Some(key) => Ok(PyBytes::new(py, &key)),
            None => Err(Status::usage(format!("{} has no public key here", self.recipe.name))).or_raise(py),
        }
    }

    /// Where operations on `nbytes` would run: (direction, device, driver, lane, predicted nanoseconds, reason).
    fn explain(&self, py: Python<'_>, nbytes: usize) -> PyResult<Vec<ExplanationRow>> {
        let layer = &self.layer.core;
        layer.alive().or_raise(py)?;
        let mut rows = Vec::new();
        for &direction in self.recipe.kind.directions() {
            let chosen = py
                .detach(|| layer.choose(&self.recipe, &Ask { is_peek: true, ..Ask::of(direction, nbytes) }))
                .or_raise(py)?;
            let device = &chosen.place.device;
            let predicted = chosen.place.costs.predict(direction, nbytes);
            let limit = layer.settings.inline_ns;
            let (lane, why) = if !device.engine.runs_inline() {
                ("queued", "this engine always queues".to_string())
            } else if predicted < limit {
                ("inline", format!("predicted below {limit} ns"))
            } else {
                ("queued", format!("predicted at or above {limit} ns"))
            };
            rows.push((
                direction.name().into(),
                device.name.to_string(),
                chosen.transform().or_raise(py)?.driver(direction).into(),
                lane.into(),
                predicted,
                format!("{}; {why}", chosen.reason),
            ));
        }
        Ok(rows)
    }

    fn __repr__(&self) -> String {
        format!("<Transform {}>", self.recipe.name)
    }

    /// Compresses one message; gives a Buffer, or the byte count with `into`.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn compress<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], false)?;
        self.start(py, &Message::of(Direction::Compress, &data), asked)
    }

    /// `compress` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_compress<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], true)?;
        self.start(py, &Message::of(Direction::Compress, &data), asked)
    }

    /// Decompresses one message to its end. Raises CorruptInput, LimitExceeded.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, max_output=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn decompress<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into", "max_output"], false)?;
        self.start(py, &Message::of(Direction::Decompress, &data), asked)
    }

    /// `decompress` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, max_output=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_decompress<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into", "max_output"], true)?;
        self.start(py, &Message::of(Direction::Decompress, &data), asked)
    }

    /// The digest of one message, as bytes.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn digest<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], false)?;
        self.start(py, &Message::of(Direction::Digest, &data), asked)
    }

    /// `digest` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_digest<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], true)?;
        self.start(py, &Message::of(Direction::Digest, &data), asked)
    }

    /// The tag of one message, as bytes.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn mac<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], false)?;
        self.start(py, &Message::of(Direction::Mac, &data), asked)
    }

    /// `mac` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_mac<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], true)?;
        self.start(py, &Message::of(Direction::Mac, &data), asked)
    }

    /// Signs one message with the private key.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn sign<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], false)?;
        self.start(py, &Message::of(Direction::Sign, &data), asked)
    }

    /// `sign` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_sign<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], true)?;
        self.start(py, &Message::of(Direction::Sign, &data), asked)
    }

    /// The secret shared with the owner of a public key.
    #[pyo3(signature = (peer, **options), text_signature = "($self, peer, *, into=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn agree<'py>(
        &self,
        py: Python<'py>,
        peer: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], false)?;
        self.start(py, &Message::of(Direction::Agree, &peer), asked)
    }

    /// `agree` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (peer, **options), text_signature = "($self, peer, *, into=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_agree<'py>(
        &self,
        py: Python<'py>,
        peer: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], true)?;
        self.start(py, &Message::of(Direction::Agree, &peer), asked)
    }

    /// Encrypts one message; an AEAD appends its tag. The nonce must never serve twice under one key.
    #[pyo3(signature = (nonce, data, ad = None, **options), text_signature = "($self, nonce, data, ad=None, *, into=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn encrypt<'py>(
        &self,
        py: Python<'py>,
        nonce: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        ad: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], false)?;
        self.start(
            py,
            &Message { nonce: Some(&nonce), ad: ad.as_ref(), ..Message::of(Direction::Encrypt, &data) },
            asked,
        )
    }

    /// `encrypt` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (nonce, data, ad = None, **options), text_signature = "($self, nonce, data, ad=None, *, into=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_encrypt<'py>(
        &self,
        py: Python<'py>,
        nonce: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        ad: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], true)?;
        self.start(
            py,
            &Message { nonce: Some(&nonce), ad: ad.as_ref(), ..Message::of(Direction::Encrypt, &data) },
            asked,
        )
    }

    /// Decrypts one message. AuthenticationError releases nothing.
    #[pyo3(signature = (nonce, data, ad = None, **options), text_signature = "($self, nonce, data, ad=None, *, into=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        nonce: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        ad: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], false)?;
        self.start(
            py,
            &Message { nonce: Some(&nonce), ad: ad.as_ref(), ..Message::of(Direction::Decrypt, &data) },
            asked,
        )
    }

    /// `decrypt` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (nonce, data, ad = None, **options), text_signature = "($self, nonce, data, ad=None, *, into=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_decrypt<'py>(
        &self,
        py: Python<'py>,
        nonce: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        ad: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], true)?;
        self.start(
            py,
            &Message { nonce: Some(&nonce), ad: ad.as_ref(), ..Message::of(Direction::Decrypt, &data) },
            asked,
        )
    }

    /// Checks a tag or signature; raises AuthenticationError if it is wrong, gives None if right.
    #[pyo3(signature = (tag, data, **options), text_signature = "($self, tag, data, *, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn verify<'py>(
        &self,
        py: Python<'py>,
        tag: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &[], false)?;
        self.start(py, &Message { tag: Some(&tag), ..Message::of(Direction::Verify, &data) }, asked)
    }

    /// `verify` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (tag, data, **options), text_signature = "($self, tag, data, *, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_verify<'py>(
        &self,
        py: Python<'py>,
        tag: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &[], true)?;
        self.start(py, &Message { tag: Some(&tag), ..Message::of(Direction::Verify, &data) }, asked)
    }

    /// `compress` of many messages in one submission: a list of messages, or one buffer cut into `unit` bytes. Gives a list; or a Batch, results in one piece of memory, with `into`, `slot` or `packed`.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, into=None, slot=None, packed=False, return_exceptions=False, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn compress_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, LAID, false)?;
        self.start_many(py, Direction::Compress, Sources::of(&data, asked.unit), asked)
    }

    /// `compress_many` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, into=None, slot=None, packed=False, return_exceptions=False, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_compress_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, LAID, true)?;
        self.start_many(py, Direction::Compress, Sources::of(&data, asked.unit), asked)
    }

    /// `decompress` of many messages in one submission: a list of messages, or one buffer cut into `unit` bytes. Gives a list; or a Batch, results in one piece of memory, with `into`, `slot` or `packed`.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, lengths=None, offsets=None, into=None, slot=None, packed=False, return_exceptions=False, max_output=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn decompress_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, LAID_SPANS, false)?;
        self.start_many(py, Direction::Decompress, Sources::of(&data, asked.unit), asked)
    }

    /// `decompress_many` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, lengths=None, offsets=None, into=None, slot=None, packed=False, return_exceptions=False, max_output=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_decompress_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, LAID_SPANS, true)?;
        self.start_many(py, Direction::Decompress, Sources::of(&data, asked.unit), asked)
    }

    /// `digest` of many messages in one submission: a list of messages, or one buffer cut into `unit` bytes. Gives a list; or a Batch, results in one piece of memory, with `into` or `packed`.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, into=None, packed=False, return_exceptions=False, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn digest_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, PACKED, false)?;
        self.start_many(py, Direction::Digest, Sources::of(&data, asked.unit), asked)
    }

    /// `digest_many` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, into=None, packed=False, return_exceptions=False, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_digest_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, PACKED, true)?;
        self.start_many(py, Direction::Digest, Sources::of(&data, asked.unit), asked)
    }

    /// `mac` of many messages in one submission: a list of messages, or one buffer cut into `unit` bytes. Gives a list; or a Batch, results in one piece of memory, with `into` or `packed`.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, into=None, packed=False, return_exceptions=False, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn mac_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, PACKED, false)?;
        self.start_many(py, Direction::Mac, Sources::of(&data, asked.unit), asked)
    }

    /// `mac_many` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, into=None, packed=False, return_exceptions=False, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_mac_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, PACKED, true)?;
        self.start_many(py, Direction::Mac, Sources::of(&data, asked.unit), asked)
    }

    /// `encrypt` of many messages in one submission, with a nonce (and perhaps ad) each: a list of messages, or one buffer cut into `unit` bytes; a list of nonces, or all in one buffer. Gives a list; or a Batch, results in one piece of memory, with `into` or `packed`.
    #[pyo3(signature = (nonces, data, ads = None, **options), text_signature = "($self, nonces, data, ads=None, *, unit=None, into=None, packed=False, return_exceptions=False, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn encrypt_many<'py>(
        &self,
        py: Python<'py>,
        nonces: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        ads: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, PACKED, false)?;
        let sources = Sources::Sealed { nonces: &nonces, list: &data, ads: ads.as_ref(), unit: asked.unit };
        self.start_many(py, Direction::Encrypt, sources, asked)
    }

    /// `encrypt_many` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (nonces, data, ads = None, **options), text_signature = "($self, nonces, data, ads=None, *, unit=None, into=None, packed=False, return_exceptions=False, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_encrypt_many<'py>(
        &self,
        py: Python<'py>,
        nonces: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        ads: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, PACKED, true)?;
        let sources = Sources::Sealed { nonces: &nonces, list: &data, ads: ads.as_ref(), unit: asked.unit };
        self.start_many(py, Direction::Encrypt, sources, asked)
    }

    /// `decrypt` of many messages in one submission, with a nonce (and perhaps ad) each: a list of messages, or one buffer cut into `unit` bytes; a list of nonces, or all in one buffer. Gives a list; or a Batch, results in one piece of memory, with `into` or `packed`.
    #[pyo3(signature = (nonces, data, ads = None, **options), text_signature = "($self, nonces, data, ads=None, *, unit=None, into=None, packed=False, return_exceptions=False, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn decrypt_many<'py>(
        &self,
        py: Python<'py>,
        nonces: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        ads: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, PACKED, false)?;
        let sources = Sources::Sealed { nonces: &nonces, list: &data, ads: ads.as_ref(), unit: asked.unit };
        self.start_many(py, Direction::Decrypt, sources, asked)
    }

    /// `decrypt_many` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (nonces, data, ads = None, **options), text_signature = "($self, nonces, data, ads=None, *, unit=None, into=None, packed=False, return_exceptions=False, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_decrypt_many<'py>(
        &self,
        py: Python<'py>,
        nonces: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        ads: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, PACKED, true)?;
        let sources = Sources::Sealed { nonces: &nonces, list: &data, ads: ads.as_ref(), unit: asked.unit };
        self.start_many(py, Direction::Decrypt, sources, asked)
    }

    /// `sign` of many messages in one submission: a list of messages, or one buffer cut into `unit` bytes. Gives a list.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, return_exceptions=False, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn sign_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["unit", "return_exceptions"], false)?;
        self.start_many(py, Direction::Sign, Sources::of(&data, asked.unit), asked)
    }

    /// `sign_many` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, return_exceptions=False, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_sign_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["unit", "return_exceptions"], true)?;
        self.start_many(py, Direction::Sign, Sources::of(&data, asked.unit), asked)
    }

    /// `verify` of many messages in one submission, with a tag or signature each. Gives a list of None.
    #[pyo3(signature = (tags, data, **options), text_signature = "($self, tags, data, *, return_exceptions=False, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn verify_many<'py>(
        &self,
        py: Python<'py>,
        tags: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["return_exceptions"], false)?;
        self.start_many(py, Direction::Verify, Sources::Tagged { tags: &tags, list: &data }, asked)
    }

    /// `verify_many` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (tags, data, **options), text_signature = "($self, tags, data, *, return_exceptions=False, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_verify_many<'py>(
        &self,
        py: Python<'py>,
        tags: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["return_exceptions"], true)?;
        self.start_many(py, Direction::Verify, Sources::Tagged { tags: &tags, list: &data }, asked)
    }

    /// `agree` with many peers in one submission: a list of public keys, or one buffer cut into `unit` bytes. Gives a list.
    #[pyo3(signature = (peers, **options), text_signature = "($self, peers, *, unit=None, return_exceptions=False, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn agree_many<'py>(
        &self,
        py: Python<'py>,
        peers: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["unit", "return_exceptions"], false)?;
        self.start_many(py, Direction::Agree, Sources::of(&peers, asked.unit), asked)
    }

    /// `agree_many` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (peers, **options), text_signature = "($self, peers, *, unit=None, return_exceptions=False, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None)")]
    fn try_agree_many<'py>(
        &self,
        py: Python<'py>,
        peers: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["unit", "return_exceptions"], true)?;
        self.start_many(py, Direction::Agree, Sources::of(&peers, asked.unit), asked)
    }
}
