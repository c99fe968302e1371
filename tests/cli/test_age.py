"""`encrypt`, `decrypt` and `keygen`: age's files and keys, and secrets that are seen nowhere."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import COMMAND, Run
from tests.cli.terminal import on_terminal

from acrypto.streams.age import X25519Identity

pytestmark = pytest.mark.slow  # each test starts processes

DATA = random.Random(1).randbytes(300_000)


class Keys:
    """A key file in the test's folder, and its public half."""

    def __init__(self, folder: Path) -> None:
        identity = X25519Identity.generate()
        self.secret = identity.export()
        self.public = str(identity.recipient)
        (folder / "key").write_text(f"# a comment\n\n{self.secret}\n")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    (tmp_path / "data").write_bytes(DATA)
    return Keys(tmp_path)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_goes_there_and_back(acrypto: Run, keys: Keys, tmp_path: Path) -> None:
    """It keeps mode and times, and overwrites nothing."""
    (tmp_path / "data").chmod(0o640)
    os.utime(tmp_path / "data", (1_000_000_000, 1_000_000_000))
    assert acrypto("encrypt", "-r", keys.public, "data").stdout == b""
    assert names(tmp_path) == ["data", "data.age", "key"]
    assert (tmp_path / "data.age").stat().st_mode == (tmp_path / "data").stat().st_mode
    assert b"exists already" in acrypto("decrypt", "-i", "key", "data.age", code=1).stderr
    (tmp_path / "data").unlink()
    acrypto("decrypt", "-i", "key", "--rm", "data.age")
    assert names(tmp_path) == ["data", "key"]
    assert (tmp_path / "data").read_bytes() == DATA
    assert (tmp_path / "data").stat().st_mtime == 1_000_000_000


@pytest.mark.parametrize("armor", [(), ("-a",), ("--armor",)])
def test_pipes_go_there_and_back(acrypto: Run, keys: Keys, armor: tuple[str, ...]) -> None:
    box = acrypto("encrypt", "-r", keys.public, *armor, input=DATA).stdout
    assert box.startswith(b"-----BEGIN AGE" if armor else b"age-encryption.org/v1\n")
    assert acrypto("decrypt", "-i", "key", input=box).stdout == DATA
    acrypto("decrypt", "-i", "key", "-o", "back", "-", input=box)


def test_age_reads_and_writes_the_same(acrypto: Run, keys: Keys, tmp_path: Path) -> None:
    if shutil.which("age") is None:
        pytest.skip("age is not installed")
    acrypto("encrypt", "-r", keys.public, "-a", "-o", "box", "data")
    done = subprocess.run(["age", "-d", "-i", "key", "box"], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == DATA
    box = subprocess.run(["age", "-e", "-i", "key"], cwd=tmp_path, input=DATA, capture_output=True, check=True).stdout
    assert acrypto("decrypt", "-i", "key", input=box).stdout == DATA


def test_recipients_come_from_everywhere(acrypto: Run, keys: Keys, tmp_path: Path) -> None:
    """As arguments, in files, as the owner of secret keys; each of them reads the result."""
    others = [X25519Identity.generate() for _ in range(3)]
    (tmp_path / "them").write_text(f"# them\n{others[1].recipient}\n\n{others[2].recipient}\n")
    box = acrypto("encrypt", "-r", str(others[0].recipient), "-R", "them", "-i", "key", input=DATA).stdout
    assert box.count(b"-> X25519 ") == 4
    for other in others:
        (tmp_path / "other").write_text(other.export())
        assert acrypto("decrypt", "-i", "other", input=box).stdout == DATA
    assert acrypto("decrypt", "-i", "other", "-i", "key", input=box).stdout == DATA
    assert acrypto("decrypt", "-i", "-", "-c", "data.age", input=b"", code=1).stdout == b""
    (tmp_path / "data.age").write_bytes(box)
    assert acrypto("decrypt", "-i", "-", "-c", "data.age", input=keys.secret.encode()).stdout == DATA


def test_passphrases_come_from_files_and_descriptors(acrypto: Run, keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"correct horse\n")
    (tmp_path / "two").write_bytes(b"correct horse\r\n")
    box = acrypto("encrypt", "--passphrase-file", "one", input=DATA).stdout
    with open(tmp_path / "two", "rb") as file:
        number = str(file.fileno())
        told = acrypto("decrypt", "--passphrase-fd", number, input=box, pass_fds=[file.fileno()])
    assert told.stdout == DATA
    (tmp_path / "data.age").write_bytes(box)
    assert acrypto("decrypt", "-t", "--passphrase-fd", "0", "data.age", input=b"correct horse").stdout == b""
    told = acrypto("decrypt", "-t", "--passphrase-fd", "0", "data.age", input=b"wrong horse", code=1)
    assert b"passphrase is wrong" in told.stderr
    assert b"horse" not in told.stderr
    told = acrypto("decrypt", "-t", "--passphrase-file", "one", "--max-work-factor", "17", "data.age", code=1)
    assert b"work factor is 18; at most 17 is allowed; --max-work-factor" in told.stderr
    for empty in (b"", b"\n"):
        (tmp_path / "empty").write_bytes(empty)
        assert b"empty" in acrypto("encrypt", "--passphrase-file", "empty", "data", code=2).stderr
    (tmp_path / "long").write_bytes(b"x" * 5000)
    assert b"over 4096 bytes" in acrypto("encrypt", "--passphrase-file", "long", "data", code=2).stderr


def test_passphrases_are_asked_for_on_the_terminal(keys: Keys, tmp_path: Path) -> None:
    """Twice to encrypt, once to decrypt, and only if a file wants one; they are not shown."""
    told = on_terminal([*COMMAND, "encrypt", "-p", "data"], "correct horse", "correct horse", cwd=tmp_path)
    assert "horse" not in told
    told = on_terminal([*COMMAND, "decrypt", "-o", "back", "data.age"], "correct horse", cwd=tmp_path)
    assert (tmp_path / "back").read_bytes() == DATA
    told = on_terminal([*COMMAND, "decrypt", "-o", "back2", "data.age"], "wrong", cwd=tmp_path, code=1)
    assert "passphrase is wrong" in told
    told = on_terminal([*COMMAND, "encrypt", "-p", "-o", "x", "data"], "one", "two", cwd=tmp_path, code=2)
    assert "differ" in told
    told = on_terminal([*COMMAND, "encrypt", "-p", "-o", "x", "data"], "", "", cwd=tmp_path, code=2)
    assert "empty" in told
    assert names(tmp_path) == ["back", "data", "data.age", "key"]
    on_terminal([*COMMAND, "encrypt", "-r", keys.public, "-o", "box", "data"], cwd=tmp_path)
    assert "Passphrase" not in on_terminal([*COMMAND, "decrypt", "box", "-o", "x"], "", cwd=tmp_path, code=1)


def test_identity_files_may_be_encrypted_themselves(acrypto: Run, keys: Keys, tmp_path: Path) -> None:
    """With a passphrase, which is asked for when a file needs it; age makes the same files."""
    (tmp_path / "pass").write_text("correct horse")
    acrypto("encrypt", "--passphrase-file", "pass", "-a", "-o", "locked", "key")
    acrypto("encrypt", "-r", keys.public, "data")
    told = on_terminal([*COMMAND, "decrypt", "-i", "locked", "-o", "back", "data.age"], "correct horse", cwd=tmp_path)
    assert "Passphrase of locked" in told
    assert (tmp_path / "back").read_bytes() == DATA
    told = on_terminal([*COMMAND, "keygen", "-y", "locked"], "correct horse", cwd=tmp_path)
    assert keys.public in told
    told = on_terminal([*COMMAND, "decrypt", "-i", "locked", "-o", "x", "data.age"], "wrong", cwd=tmp_path, code=1)
    assert "locked: the passphrase is wrong" in told
    # A file that wants a passphrase does not want the keys.
    assert b"no terminal" not in acrypto("decrypt", "-i", "locked", "-o", "x", "locked", code=1).stderr


def test_without_a_terminal_nobody_is_asked(acrypto: Run, keys: Keys, tmp_path: Path) -> None:
    """Standard input is data, never a passphrase."""
    for words in (["encrypt", "-p", "data"], ["encrypt", "-p"]):
        told = acrypto(*words, input=b"secret\nsecret\n", code=1, start_new_session=True).stderr
        assert b"no terminal to ask" in told
    assert names(tmp_path) == ["data", "key"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("encrypt", "data"), b"nobody could read"),
        (("encrypt", "-r", "age1xyz", "data"), b"not a recipient"),
        (("encrypt", "-r", "ssh-ed25519 AAAA", "data"), b"SSH"),
        (("encrypt", "-r", "AGE-SECRET-KEY-1QQQQ", "data"), b"an identity, which is secret"),
        (("encrypt", "-p", "-i", "key", "data"), b"alone"),
        (("encrypt", "-p", "--passphrase-file", "key", "data"), b"one of -p"),
        (("encrypt", "--passphrase-fd", "0"), b"standard input"),
        (("encrypt", "-R", "-", "-"), b"standard input"),
        (("decrypt", "-i", "-", "-"), b"standard input"),
        (("decrypt", "--passphrase-fd", "0", "-"), b"standard input"),
        (("keygen", "data"), b"-y"),
    ],
)
def test_wrong_usage_is_2(acrypto: Run, keys: Keys, tmp_path: Path, words: tuple[str, ...], told: bytes) -> None:
    done = acrypto(*words, code=2)
    assert told in done.stderr
    assert b"QQQQ" not in done.stderr
    assert names(tmp_path) == ["data", "key"]


def test_wrong_files_are_1_and_told_by_name(acrypto: Run, keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text(f"# keys\n{keys.secret[:-1]}Q\n")
    (tmp_path / "nobody").write_text(X25519Identity.generate().export())
    (tmp_path / "ssh").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    acrypto("encrypt", "-r", keys.public, "data")
    for words, told in (
        (("decrypt", "-i", "lost", "data.age"), b"lost: No such file"),
        (("decrypt", "-i", "wrong", "data.age"), b"line 2 of wrong"),
        (("decrypt", "-i", "ssh", "-o", "x", "data.age"), b"line 1 of ssh"),
        (("decrypt", "-i", "data.age", "-o", "x", "data.age"), b"data.age: data.age: no identity"),
        (("decrypt", "--passphrase-fd", "999", "-o", "x", "data.age"), b"file descriptor 999: "),
        (("encrypt", "-R", "wrong", "data"), b"line 2 of wrong"),
        (("encrypt", "-R", "data", "-o", "x", "key"), b"line 1 of data"),
        (("decrypt", "-i", "data", "-o", "x", "data.age"), b"line 1 of data"),
        (("decrypt", "-i", "key", "data"), b"data: its name has no known suffix"),
        (("decrypt", "-i", "key", "-o", "x", "data"), b"data: not an age file at offset 0"),
        (("decrypt", "-i", "nobody", "-o", "x", "data.age"), b"data.age: no identity matches"),
        (("decrypt", "-i", "key", "-o", "x", "lost"), b"lost: No such file"),
    ):
        done = acrypto(*words, code=1)
        assert told in done.stderr, done.stderr
        assert keys.secret[20:40].encode() not in done.stderr
    assert names(tmp_path) == ["data", "data.age", "key", "nobody", "ssh", "wrong"]


def test_a_result_appears_whole_or_not_at_all(acrypto: Run, keys: Keys, tmp_path: Path) -> None:
    acrypto("encrypt", "-r", keys.public, "-o", "box", "data")
    box = (tmp_path / "box").read_bytes()
    for damaged in (box[:-1], box + b"!", box[:-1] + bytes([box[-1] ^ 1]), box[: len(box) - len(DATA) % 65536 - 16]):
        (tmp_path / "box").write_bytes(damaged)
        assert b"offset" in acrypto("decrypt", "-i", "key", "-o", "back", "box", code=1).stderr
        acrypto("decrypt", "-t", "-i", "key", "box", code=1)
    assert names(tmp_path) == ["box", "data", "key"]


def test_digests_of_both_sides_are_told(acrypto: Run, keys: Keys, tmp_path: Path) -> None:
    row = json.loads(acrypto("encrypt", "-r", keys.public, "--digest", "sha256", "--json", "data").stdout)
    assert row["digests"] == {
        "in": {"sha256": hashlib.sha256(DATA).hexdigest()},
        "out": {"sha256": hashlib.sha256((tmp_path / "data.age").read_bytes()).hexdigest()},
    }
    assert (row["operation"], row["format"], row["bytes_in"]) == ("encrypt", "age", len(DATA))


# ---- Keys


def test_a_key_pair_is_made(acrypto: Run, tmp_path: Path) -> None:
    """Only its owner reads the file; the public half is told beside it."""
    done = acrypto("keygen", "-o", "key")
    path = tmp_path / "key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    public = done.stderr.decode().removeprefix("Public key: ").strip()
    assert done.stdout == b""
    assert public.startswith("age1")
    assert public in path.read_text().splitlines()[1]
    assert acrypto("keygen", "-y", "key").stdout.decode().strip() == public
    assert acrypto("keygen", "-y", input=path.read_bytes()).stdout.decode().strip() == public
    before = path.read_text()
    assert b"exists already" in acrypto("keygen", "-o", "key", code=1).stderr
    assert path.read_text() == before
    acrypto("keygen", "-o", "key", "--force")
    assert path.read_text() != before
    acrypto("keygen", "-y", "key", "-o", "public")
    assert (tmp_path / "public").read_text().startswith("age1")
    shown = acrypto("keygen")
    assert b"AGE-SECRET-KEY-1" in shown.stdout
    assert b"AGE-SECRET-KEY-1" not in shown.stderr


def test_a_command_loads_only_what_it_needs() -> None:
    script = (
        "import sys; from acrypto.cli.main import run; code = run(['keygen', '-o', '/dev/null']);"
        "heavy = {'rich', 'asyncio', 'json', 'getpass', 'acrypto.streams.gzip'} & set(sys.modules);"
        "print(heavy or '', end=''); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"")
