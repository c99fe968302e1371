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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.streams.files.asynchronous import aopen_file
    from acrypto.streams.files.open import open_file
del TYPE_CHECKING

__version__: str = build_info()["version"]

#: What is loaded when it is asked for: the module of each name.
_LATER = {
    "aopen_file": "acrypto.streams.files.asynchronous",
    "open_file": "acrypto.streams.files.open",
}

__all__ = [
    # the layer
    "open", "Layer", "Settings", "Transform", "Operation", "Completion", "Buffer",
    "Route", "Stage", "Hop",
    # synchronous one-shots
    "compress", "decompress", "encrypt", "decrypt", "digest", "mac", "random", "sign", "verify",
    "generate_key", "public_key",
    "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake3", "crc32", "crc32c",
    # files
    "aopen_file", "open_file",
    # errors
    "AcryptoError", "UsageError", "UnknownAlgorithm", "NoEngine", "EngineError", "AuthenticationError",
    "CorruptInput", "OutputTooSmall", "LimitExceeded", "QueueFull", "DeadlineExceeded", "DeviceLost",
    "ClosedError", "InternalError",
    # facts
    "build_info", "__version__",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    found = globals()[name] = getattr(importlib.import_module(_LATER[name]), name)
    return found
