//! The software engine's form of what is offered here: it says what is accepted, how errors read, and does the rest.

use crate::alg::{self, Algorithm, Kind, Params, Transform};
use crate::ffi::ipsec_mb::Hash;
use crate::status::{Outcome, Status};
use crate::template::{Composition, Part, Shape};
use std::sync::Arc;

/// An algorithm of the core as a part of a template.
struct Row {
    algorithm: &'static Algorithm,
    shape: Shape,
}

impl Part for Row {
    fn name(&self) -> &str {
        self.algorithm.name
    }
    fn kind(&self) -> Kind {
        self.algorithm.kind
    }
    fn shape(&self) -> Shape {
        self.shape
    }
    fn compile(&self, params: &Params) -> Outcome<Arc<dyn Transform>> {
        (self.algorithm.compile)(params)
    }
}

const CBC: Shape = Shape { block: 16, digest: 0, nonce: 16, tag: 0 };

/// Sizes of `authenc(hmac(hash),cbc(aes))`.
pub fn authenc_shape(hash: Hash) -> Shape {
    Shape { tag: hash.size(), ..CBC }
}

/// The hash of `authenc(hmac(hash),cbc(aes))`.
pub fn authenc_hash(name: &str) -> Option<Hash> {
    hash_of(name.strip_prefix("authenc(")?.strip_suffix(",cbc(aes))")?)
}

/// The hash of `hmac(hash)`.
pub fn hash_of(name: &str) -> Option<Hash> {
    let inner = name.strip_prefix("hmac(")?.strip_suffix(')')?;
    Hash::ALL.into_iter().find(|hash| hash.name() == inner)
}

/// Compiles it.
pub fn compile(name: &str, driver: &'static str, params: &Params) -> Outcome<Arc<dyn Transform>> {
    let Some(hash) = authenc_hash(name) else { return alg::compile(name, params) };
    let mac = format!("hmac({})", hash.name());
    let shape = Shape { block: hash.block(), digest: hash.size(), ..Shape::default() };
    let composition = Composition {
        template: "authenc".to_owned(),
        name: name.to_owned(),
        driver,
        kind: Kind::Aead,
        shape: authenc_shape(hash),
        parts: vec![part(&mac, shape)?, part("cbc(aes)", CBC)?],
    };
    composition.compile(params)
}

fn part(name: &str, shape: Shape) -> Outcome<Arc<dyn Part>> {
    let algorithm = alg::find(name).ok_or_else(|| Status::Internal(format!("{name} is not there")))?;
    Ok(Arc::new(Row { algorithm, shape }))
}
