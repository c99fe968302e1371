"""Data larger than memory: pipelines of sources, stages and sinks, in bounded memory.

`Pipeline` is the object to hold; its stages are `Compress`, `Decompress`, `Digest` and those of `age`. One thread
drives, the layer's workers do the rest. Names are loaded when they are asked for: a command loads only its own.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acrypto.streams.compress import Compress
    from acrypto.streams.decompress import Decompress
    from acrypto.streams.digest import Digest
    from acrypto.streams.pipeline import Pipeline
    from acrypto.streams.run import Digested, Result, StageAccount
    from acrypto.streams.running import Progress, Running

_MODULES = {
    "Compress": "compress",
    "Decompress": "decompress",
    "Digest": "digest",
    "Digested": "run",
    "Pipeline": "pipeline",
    "Progress": "running",
    "Result": "run",
    "Running": "running",
    "StageAccount": "run",
}

__all__ = ["Compress", "Decompress", "Digest", "Digested", "Pipeline", "Progress", "Result", "Running", "StageAccount"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"acrypto.streams.{_MODULES[name]}"), name)
