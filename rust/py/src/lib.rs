//! The Python module `acrypto._core._native`: its export list and nothing else.

#![deny(unsafe_code)]

mod balancer;
mod batch;
mod buffer;
mod completion;
mod convert;
mod delivery;
mod derive;
mod disk;
mod error;
mod files;
mod gather;
mod harvest;
mod iaa;
mod idxd;
mod info;
mod job;
mod layer;
mod loops;
mod many;
mod methods;
mod multibuffer;
mod oneshot;
mod operation;
mod pagestore;
mod port;
mod route;
mod simulated;
mod stream;
mod transform;
mod views;
mod zlib;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use super::balancer::{Balancer, DeviceView, RequestView};
    #[pymodule_export]
    use super::batch::Batch;
    #[pymodule_export]
    use super::buffer::{Buffer, Space};
    #[pymodule_export]
    use super::completion::{Completion, Stage};
    #[pymodule_export]
    use super::derive::{agree, bech32_decode, bech32_encode, hkdf, random_key, scrypt, unwrap_key};
    #[pymodule_export]
    use super::disk::{Reader, Writer, copies, count_copy};
    #[pymodule_export]
    use super::error::set_errors;
    #[pymodule_export]
    use super::files::FileDigests;
    #[pymodule_export]
    use super::iaa::{IaaDriver, IaaRequest, IaaTfm};
    #[pymodule_export]
    use super::idxd::{IdxdDevice, IdxdMapping, IdxdQueue};
    #[pymodule_export]
    use super::info::{absent, algorithms, build_info, child_started};
    #[pymodule_export]
    use super::job::Job;
    #[pymodule_export]
    use super::layer::{Engine, Layer};
    #[pymodule_export]
    use super::multibuffer::ipsec_mb;
    #[pymodule_export]
    use super::oneshot::{
        blake2b, blake3, compress, crc32, crc32c, decompress, decrypt, digest, encrypt, generate_key, mac, public_key,
        random, sha1, sha224, sha256, sha384, sha512, sign, verify,
    };
    #[pymodule_export]
    use super::operation::Operation;
    #[pymodule_export]
    use super::pagestore::PageStore;
    #[pymodule_export]
    use super::route::{Hop, Route};
    #[pymodule_export]
    use super::stream::{Decompressor, Hasher};
    #[pymodule_export]
    use super::transform::Transform;
    #[pymodule_export]
    use super::zlib::{
        BufferingInflater, Deflater, Inflater, adler32, adler32_combine, set_zlib_error, zlib_compress,
        zlib_compressobj, zlib_crc32, zlib_crc32_combine, zlib_decompress, zlib_decompressobj, zlib_version,
    };
}
