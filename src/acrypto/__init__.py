"""acrypto: the asynchronous crypto and compression layer.

Map: `layer` is what users hold, over `registry`, `engines`, `model` and the Rust core in `_core`; `streams` is for
data larger than memory, `cli` the command line, `testing` the public conformance suite.
"""

from acrypto._core import (
    Batch,
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
    from acrypto import gzip, streams, zlib
    from acrypto.layer.layer import Layer, open
    from acrypto.streams.files.asynchronous import aopen_file
    from acrypto.streams.files.open import open_file
    from acrypto.streams.hash_files import hash_file, hash_files
del TYPE_CHECKING

__version__: str = build_info()["version"]

#: What is loaded when it is asked for, and the module where it is: a short command needs little of it.
_LATER = {
    "Layer": "acrypto.layer.layer",
    "aopen_file": "acrypto.streams.files.asynchronous",
    "gzip": "acrypto.gzip",
    "hash_file": "acrypto.streams.hash_files",
    "hash_files": "acrypto.streams.hash_files",
    "open": "acrypto.layer.layer",
    "open_file": "acrypto.streams.files.open",
    "streams": "acrypto.streams",
    "zlib": "acrypto.zlib",
}

__all__ = [
    # the layer
    "open", "Layer", "Settings", "Transform", "Operation", "Completion", "Batch", "Buffer",
    "Route", "Stage", "Hop",
    # synchronous one-shots
    "compress", "decompress", "encrypt", "decrypt", "digest", "mac", "random", "sign", "verify",
    "generate_key", "public_key",
    "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake3", "crc32", "crc32c",
    # modules
    "gzip", "streams", "zlib",
    # files
    "aopen_file", "open_file", "hash_file", "hash_files",
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
    module = __import__(_LATER[name], fromlist=[name])
    value: object = module if module.__name__ == f"{__name__}.{name}" else getattr(module, name)
    globals()[name] = value  # asked for once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
