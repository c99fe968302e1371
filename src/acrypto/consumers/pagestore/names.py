"""Compressors by the names that zswap and zram users know."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto._core import Transform
    from acrypto.layer.layer import Layer

#: What the kernel calls lz4 is the bare block; a frame would spend 15 bytes a page on what the store knows.
KERNEL_NAMES = {"lz4": "lz4-block"}


def compressor(layer: Layer, name: str, *, level: int | None, strategy: str | None, verify: bool) -> Transform:
    """The transform that pages go through.

    Args:
        layer: where it runs.
        name: an algorithm or one driver: `lz4`, `deflate`, `deflate-iaa`, `zstd`; `lz4` is the block format.
        level: of the compressor; its own default if None.
        strategy: "fixed" for fixed Huffman codes (deflate family).
        verify: whether each page is decompressed again before it is kept.

    Raises:
        UnknownAlgorithm, NoEngine, UsageError: as `Layer.transform`.
    """
    return layer.transform(KERNEL_NAMES.get(name, name), level=level, strategy=strategy, verify=verify)
