"""`acrypto.zlib` passes CPython's own tests of `zlib`."""

from __future__ import annotations

from tests.streams import cpython

import acrypto.zlib

_TWO_LIBRARIES = "compress() and streams are served by different libraries here, as on s390x (bpo-46623)"

EXCLUDED = {
    # Compares the bytes of compress() with those of a stream; CPython skips it where an accelerator serves compress().
    "CompressObjectTestCase.test_pair": _TWO_LIBRARIES,
}

globals().update(cpython.suite("test_zlib", {"zlib": acrypto.zlib}, EXCLUDED))
