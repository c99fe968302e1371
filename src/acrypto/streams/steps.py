"""The core's incremental forms for a layer: what only streams need, so that the layer's face stays small."""

from __future__ import annotations

from acrypto import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Buffer as BytesLike

    from acrypto.layer.layer import Layer


def part(layer: Layer, *, level: int | None = None, strategy: str | None = None) -> _core.Transform:
    """Raw deflate in parts, which end on a byte boundary and refer to nothing before them.

    Completions hold the CRC-32 of the uncompressed side.
    """
    return layer._native.transform("deflate", level=level, strategy=strategy, part=True)


def blocks(layer: Layer, *, level: int | None = None) -> _core.Transform:
    """BGZF in runs of whole blocks, without the empty one that ends a file."""
    return layer._native.transform("bgzf", level=level, part=True)


def decompressor(layer: Layer, name: str, window: BytesLike | None = None) -> _core.Decompressor:
    """A decompressor in steps; with `window`, of raw deflate behind that output, up to its final block."""
    return _core.Decompressor(layer._native, name, window)


def hasher(layer: Layer, name: str, **parameters: Any) -> _core.Hasher:
    """A digest or MAC in steps."""
    return _core.Hasher(layer._native, name, **parameters)


def in_flight(layer: Layer) -> int:
    """How many operations keep every worker busy while this thread reads and writes."""
    return 2 * layer.settings.workers + 2
