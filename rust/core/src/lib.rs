//! The core of acrypto: everything that runs per request or per byte. Knows no Python.
//!
//! A request falls: layer, lane, device queue, worker, algorithm. A completion rises: operation, completion ring, one
//! eventfd per event loop. `alg` holds the algorithms, `engines` who runs them, `ffi` the only doors to C.

#![deny(unsafe_code)]

pub mod alg;
pub mod balancers;
pub mod buffer;
pub mod clock;
pub mod copies;
pub mod cost;
pub mod derive;
pub mod device;
pub mod disk;
pub mod engine;
pub mod engines;
pub mod ffi;
pub mod files;
pub mod fork;
pub mod histogram;
pub mod idxd;
pub mod layer;
pub mod moment;
pub mod operation;
pub mod pagestore;
pub mod queue;
pub mod registry;
pub mod request;
pub mod ring;
pub mod route;
pub mod spare;
pub mod status;
pub mod sync;
pub mod template;
pub mod verify;
