"""acrypto: the asynchronous crypto and compression layer.

Map: `layer` is what users hold, over `registry`, `engines`, `model` and the Rust core in `_core`; `streams` is for
data larger than memory, `cli` the command line, `testing` the public conformance suite.
"""

from acrypto._core import (
    Buffer,
    Completion,
    Hop,
    Operation,
    Route,
    Stage,
    Transform,
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
    sha1,
    sha224,
    sha256,
    sha384,
    sha512,
    sign,
    verify,
)
from acrypto.layer.layer import Layer, open
from acrypto.model.errors import (
    AcryptoError,
    AuthenticationError,
    ClosedError,
    CorruptInput,
    DeadlineExceeded,
    DeviceLost,
    EngineError,
    InternalError,
    LimitExceeded,
    NoEngine,
    OutputTooSmall,
    QueueFull,
    UnknownAlgorithm,
    UsageError,
)
from acrypto.model.settings import Settings

__version__: str = build_info()["version"]

__all__ = [
    # the layer
    "open", "Layer", "Settings", "Transform", "Operation", "Completion", "Buffer",
    "Route", "Stage", "Hop",
    # synchronous one-shots
    "compress", "decompress", "encrypt", "decrypt", "digest", "mac", "random", "sign", "verify",
    "generate_key", "public_key",
    "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake3", "crc32", "crc32c",
    # errors
    "AcryptoError", "UsageError", "UnknownAlgorithm", "NoEngine", "EngineError", "AuthenticationError",
    "CorruptInput", "OutputTooSmall", "LimitExceeded", "QueueFull", "DeadlineExceeded", "DeviceLost",
    "ClosedError", "InternalError",
    # facts
    "build_info", "__version__",
]  # fmt: skip
