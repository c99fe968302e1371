"""A drop-in for the standard library's `zlib`: the same names, signatures, outcomes and exceptions.

    from acrypto import zlib

Streams are zlib-rs, with every option of zlib; `compress` and `decompress` of whole messages are served by ISA-L and
libdeflate where they know the options. So `compress` may give other bytes than a stream of the same level does, as
`zlib` itself does on machines with an accelerator; every zlib reads both. The formats are RFC 1950 (zlib), 1951 (raw
deflate) and 1952 (gzip).

Beyond the standard library: `acompress`, `aflush` and `adecompress` of the stream objects give awaitables, which keep
long calls off the event loop; streams may be shared by threads, in any version of Python; `crc32_combine` and
`adler32_combine` are there in any version, too.
"""

from __future__ import annotations

import zlib as _standard

from acrypto._core import BufferingInflater as _ZlibDecompressor
from acrypto._core import adler32, adler32_combine, set_zlib_error, zlib_version
from acrypto._core import zlib_compress as compress
from acrypto._core import zlib_compressobj as compressobj
from acrypto._core import zlib_crc32 as crc32
from acrypto._core import zlib_crc32_combine as crc32_combine
from acrypto._core import zlib_decompress as decompress
from acrypto._core import zlib_decompressobj as decompressobj
from acrypto.model.errors import CorruptInput

__version__ = "1.0"

DEFLATED = 8
MAX_WBITS = 15
DEF_MEM_LEVEL = 8
DEF_BUF_SIZE = 16384

Z_NO_COMPRESSION = 0
Z_BEST_SPEED = 1
Z_BEST_COMPRESSION = 9
Z_DEFAULT_COMPRESSION = -1

Z_DEFAULT_STRATEGY = 0
Z_FILTERED = 1
Z_HUFFMAN_ONLY = 2
Z_RLE = 3
Z_FIXED = 4

Z_NO_FLUSH = 0
Z_PARTIAL_FLUSH = 1
Z_SYNC_FLUSH = 2
Z_FULL_FLUSH = 3
Z_FINISH = 4
Z_BLOCK = 5
Z_TREES = 6

_version = zlib_version().split("-")  # as in 1.3.0-zlib-rs-0.6.8

#: The version of zlib whose interface this is.
ZLIB_VERSION = ZLIB_RUNTIME_VERSION = _version[0]
#: The version of the library.
ZLIBRS_VERSION = _version[-1]


class error(CorruptInput, _standard.error):
    """The data are damaged or end early, or a stream was used behind its end.

    Handlers of the standard library's `zlib.error` catch it.

    Attributes:
        offset: bytes that the stream had consumed; 0 where a compressor failed.
    """


error.__module__ = "acrypto.zlib"
set_zlib_error(error)


__all__ = [
    "compress", "decompress", "compressobj", "decompressobj",
    "crc32", "adler32", "crc32_combine", "adler32_combine",
    "error",
    "DEFLATED", "MAX_WBITS", "DEF_MEM_LEVEL", "DEF_BUF_SIZE", "ZLIB_VERSION", "ZLIB_RUNTIME_VERSION", "ZLIBRS_VERSION",
    "Z_NO_COMPRESSION", "Z_BEST_SPEED", "Z_BEST_COMPRESSION", "Z_DEFAULT_COMPRESSION",
    "Z_DEFAULT_STRATEGY", "Z_FILTERED", "Z_HUFFMAN_ONLY", "Z_RLE", "Z_FIXED",
    "Z_NO_FLUSH", "Z_PARTIAL_FLUSH", "Z_SYNC_FLUSH", "Z_FULL_FLUSH", "Z_FINISH", "Z_BLOCK", "Z_TREES",
    "_ZlibDecompressor",
]  # fmt: skip
