"""The digest or MAC of a file or pipe of any size, in little memory: a piece is hashed while the next one is read."""

from __future__ import annotations

from acrypto.streams import steps
from acrypto.streams.source import Source
from acrypto.streams.tally import Tally

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from acrypto.layer.layer import Layer
    from acrypto.streams.source import Readable

#: Bytes hashed at a time: two such pieces are in memory, and each costs a way to a worker and back.
PIECE = 2 << 20


def digest(layer: Layer, source: Readable, algorithm: str, *, tally: Tally | None = None, **parameters: Any) -> bytes:
    """Reads `source` to its end, blocking this thread, and gives its digest, checksum or MAC.

    Args:
        layer: whose worker hashes.
        source: a raw binary file, or anything with its `readinto`.
        algorithm: of a digest, checksum or MAC.
        tally: the account to keep.
        **parameters: `key` and `tag_len` of a MAC, `digest_size` where it is variable.

    Raises:
        UnknownAlgorithm: no such name, or it cannot be computed piece by piece.
        UsageError: a parameter is wrong, missing, or not the algorithm's.
        OSError: reading failed.
    """
    tally = tally or Tally()
    hasher = steps.hasher(layer, algorithm, **parameters)
    reading = Source(source, tally)
    space, other = memoryview(bytearray(PIECE)), memoryview(bytearray(PIECE))
    running = None
    while count := reading.fill(space):
        if running is not None:
            running.wait()
            tally.ran(running)
        running = hasher.update(space[:count])
        space, other = other, space
        if count < PIECE:
            break
    if running is not None:
        running.wait()
        tally.ran(running)
    return hasher.finish()
