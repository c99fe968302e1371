"""`mac`: tags of files under a key that never stands on the command line."""

from __future__ import annotations

import hmac
import json
import os
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.streams.memory import mixed

pytestmark = pytest.mark.slow  # each test starts processes

DATA = mixed(600_000)
KEY = b"a key\nwith a newline"
TAG = hmac.digest(KEY, DATA, "sha256").hex()


def test_a_tag_is_that_of_hmac(acrypto: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "hex").write_text(KEY.hex(" ") + "\n")
    assert acrypto("mac", "--key-file", "key", input=DATA).stdout.decode() == f"{TAG}  -\n"
    assert acrypto("mac", "--key-file", "hex", "--hex", input=DATA).stdout.decode() == f"{TAG}  -\n"
    short = acrypto("mac", "--key-file", "key", "--tag-len", "16", input=DATA).stdout.decode()
    assert short == f"{TAG[:32]}  -\n"
    row = json.loads(acrypto("mac", "--key-file", "key", "--json", input=DATA).stdout)
    assert row["tag"] == TAG


def test_a_key_may_come_from_a_descriptor(acrypto: Run) -> None:
    read, write = os.pipe()
    os.write(write, KEY)
    os.close(write)
    try:
        done = acrypto("mac", "--key-fd", str(read), input=DATA, pass_fds=(read,))
    finally:
        os.close(read)
    assert done.stdout.decode() == f"{TAG}  -\n"


def test_checking_tells_by_the_exit_code(acrypto: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY)
    acrypto("mac", "--key-file", "key", "--check", TAG, input=DATA)
    told = acrypto("mac", "--key-file", "key", "--check", TAG, input=DATA + b"x", code=1).stderr
    assert b"authentication failed" in told


def test_wrong_keys_and_names_are_wrong_usage(acrypto: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"not hexadecimal: secret")
    acrypto("mac", code=2)
    acrypto("mac", "--key-file", "key", "-a", "sha256", code=2)
    assert b"secret" not in acrypto("mac", "--key-file", "key", "--hex", code=2).stderr
    acrypto("mac", "--key-file", "lost", code=1)
