//! Incremental forms, for data larger than memory: decompressors that step, hashers that update.
//!
//! They do no I/O and own no buffers beyond their library's window. One step never writes past the space it is given,
//! so memory is bounded by the caller's choice of that space.

use crate::status::{Outcome, Status};

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Source bytes taken.
    pub consumed: usize,
    /// Output bytes written.
    pub produced: usize,
    /// The data ended properly, its checks passed, and every source byte given so far belongs to it.
    pub finished: bool,
}

/// A decompressor that reads every member or frame of its input, one after the other.
pub trait Decompressor: Send {
    /// Takes some of `source`, writes some of `space`. `end` says that `source` is the last there is.
    ///
    /// With `end`, all source consumed and room left in `space`, it either returns `finished` or fails with
    /// [`Status::Corrupt`] (truncated). Bytes after the end that start no further member are `Corrupt` too. Offsets count
    /// from the first byte ever given. Call again with the rest of the source (and `end` as before) until `finished`.
    fn step(&mut self, source: &[u8], space: &mut [u8], end: bool) -> Outcome<Step>;

    /// The driver's name.
    fn driver(&self) -> &'static str;
}

/// A digest or MAC computed piece by piece.
pub trait Hasher: Send {
    fn update(&mut self, bytes: &[u8]);
    fn finish(&mut self) -> Vec<u8>;
    fn driver(&self) -> &'static str;
}

/// A decompressor for a format: `gzip`, `zlib`, `deflate`, `zstd`, `lz4`.
pub fn decompressor(format: &str) -> Outcome<Box<dyn Decompressor>> {
    match format {
        "gzip" | "zlib" | "deflate" => super::deflate::decompressor(format),
        "zstd" => super::zstd::decompressor(),
        "lz4" => super::lz4::decompressor(),
        _ => Err(Status::UnknownAlgorithm(format!("{format:?} has no incremental decompressor"))),
    }
}

/// A hasher for a digest's name, or for a MAC's name and key.
pub fn hasher(name: &str, params: &super::Params) -> Outcome<Box<dyn Hasher>> {
    let unknown = || Status::UnknownAlgorithm(format!("{name:?} has no incremental form"));
    match super::find(name).map(|algorithm| algorithm.library) {
        None => Err(Status::UnknownAlgorithm(format!("no algorithm is called {name:?}"))),
        Some(_) => super::digest::hasher(name, params)
            .or_else(|| super::checksum::hasher(name, params))
            .or_else(|| super::mac::hasher(name, params))
            .unwrap_or_else(|| Err(unknown())),
    }
}
