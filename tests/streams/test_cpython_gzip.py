"""`acrypto.gzip` passes CPython's own tests of `gzip`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.streams import cpython

import acrypto.gzip
import acrypto.zlib

EXCLUDED = {
    "TestCommandLine": "runs `python -m gzip`, the standard library's own command line",
    "TestGzip.test_prepend_error": "calls a method of a private attribute",
    "TestGzip.test_flush_modes": "replaces the compressor inside of a file",
    "TestGzip.test_flush_flushes_compressor": "calls a private function; test_gzip_file.py tests the same",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython's tests write to the current directory."""
    monkeypatch.chdir(tmp_path)


globals().update(cpython.suite("test_gzip", {"gzip": acrypto.gzip, "zlib": acrypto.zlib}, EXCLUDED))
