"""Data larger than memory: pipelines of sources, stages and sinks, in bounded memory.

`Pipeline` is the object to hold; its stages are the classes with the names of verbs. One thread
drives, the layer's workers do the rest. Names are loaded when they are asked for: a command loads only its own.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acrypto.streams.age.decrypt import Decrypt
    from acrypto.streams.age.encrypt import Encrypt
    from acrypto.streams.age.identities import ScryptIdentity, X25519Identity
    from acrypto.streams.age.recipients import ScryptRecipient, X25519Recipient
    from acrypto.streams.compress import Compress
    from acrypto.streams.decompress import Decompress
    from acrypto.streams.digest import Digest
    from acrypto.streams.pipeline import Pipeline
    from acrypto.streams.run import Digested, Result, StageAccount
    from acrypto.streams.running import Progress, Running
    from acrypto.streams.seekable import SeekableReader
    from acrypto.streams.tink.stages import TinkDecrypt, TinkEncrypt

_MODULES = {
    "Compress": "compress",
    "Decompress": "decompress",
    "Decrypt": "age.decrypt",
    "Digest": "digest",
    "Digested": "run",
    "Encrypt": "age.encrypt",
    "Pipeline": "pipeline",
    "Progress": "running",
    "Result": "run",
    "Running": "running",
    "ScryptIdentity": "age.identities",
    "ScryptRecipient": "age.recipients",
    "SeekableReader": "seekable",
    "StageAccount": "run",
    "TinkDecrypt": "tink.stages",
    "TinkEncrypt": "tink.stages",
    "X25519Identity": "age.identities",
    "X25519Recipient": "age.recipients",
}

__all__ = [
    "Compress",
    "Decompress",
    "Decrypt",
    "Digest",
    "Digested",
    "Encrypt",
    "Pipeline",
    "Progress",
    "Result",
    "Running",
    "ScryptIdentity",
    "ScryptRecipient",
    "SeekableReader",
    "StageAccount",
    "TinkDecrypt",
    "TinkEncrypt",
    "X25519Identity",
    "X25519Recipient",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"acrypto.streams.{_MODULES[name]}"), name)
