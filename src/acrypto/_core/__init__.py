"""The one door to Rust."""

from __future__ import annotations

import os

from acrypto._core import _native
from acrypto._core._native import (
    Balancer,
    Buffer,
    Completion,
    Decompressor,
    DeviceView,
    Engine,
    FileDigests,
    Hasher,
    Hop,
    Job,
    Layer,
    Operation,
    RequestView,
    Route,
    Stage,
    Transform,
    absent,
    algorithms,
    blake2b,
    blake3,
    build_info,
    compress,
    crc32,
    crc32c,
    decompress,
    decrypt,
    digest,
    encrypt,
    generate_key,
    mac,
    public_key,
    random,
    set_errors,
    sha1,
    sha224,
    sha256,
    sha384,
    sha512,
    sign,
    verify,
    zstd_frame,
)

__all__ = [
    "Balancer",
    "Buffer",
    "Completion",
    "Decompressor",
    "DeviceView",
    "Engine",
    "FileDigests",
    "Hasher",
    "Hop",
    "Job",
    "Layer",
    "Operation",
    "RequestView",
    "Route",
    "Stage",
    "Transform",
    "absent",
    "algorithms",
    "blake2b",
    "blake3",
    "build_info",
    "compress",
    "crc32",
    "crc32c",
    "decompress",
    "decrypt",
    "digest",
    "encrypt",
    "generate_key",
    "mac",
    "public_key",
    "random",
    "set_errors",
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "sign",
    "verify",
    "zstd_frame",
]

# Before any other hook of ours in the child: whoever asks a layer afterwards must find it closed, not locked.
os.register_at_fork(after_in_child=_native.child_started)

if not build_info()["optimised"]:
    import warnings

    warnings.warn("acrypto was built without optimisation: it is many times slower", RuntimeWarning, stacklevel=2)
