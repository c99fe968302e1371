"""age files: age and pyrage (rage) read what we write, and we read what they write."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.cli.terminal import on_terminal
from tests.streams.age_runs import cut, outcome, run

import acrypto
from acrypto.streams.age import Decrypt, Encrypt, ScryptIdentity, ScryptRecipient, X25519Identity, keyfiles

pyrage = pytest.importorskip("pyrage")
NEEDS_AGE = pytest.mark.skipif(shutil.which("age") is None, reason="age is not installed")

CHUNK = 65536
ALL = random.Random(9).randbytes(2 << 20)
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 1 << 20, 2 << 20]
IDENTITY = X25519Identity.generate()
THEIRS = pyrage.x25519.Identity.from_str(IDENTITY.export())


def age(*arguments: str | Path, data: bytes = b"") -> bytes:
    done = subprocess.run(["age", *arguments], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.txt"
    path.write_text(IDENTITY.export() + "\n")
    return path


@pytest.mark.parametrize("armor", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_pyrage(layer: acrypto.Layer, size: int, armor: bool) -> None:
    text = ALL[:size]
    box = run(layer, Encrypt([IDENTITY.recipient], armor=armor), cut(text, 70_000))
    assert pyrage.decrypt(box, [THEIRS]) == text
    box = pyrage.encrypt(text, [THEIRS.to_public()], armored=armor)
    assert run(layer, Decrypt([IDENTITY]), cut(box, 50_000)) == text


@NEEDS_AGE
@pytest.mark.parametrize("armor", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_age(layer: acrypto.Layer, keys: Path, size: int, armor: bool) -> None:
    text = ALL[:size]
    box = run(layer, Encrypt([IDENTITY.recipient], armor=armor), cut(text, 70_000))
    assert age("-d", "-i", keys, data=box) == text
    options = ["-a"] if armor else []
    box = age("-r", str(IDENTITY.recipient), *options, data=text)
    assert run(layer, Decrypt([IDENTITY]), cut(box, 50_000)) == text


@NEEDS_AGE
def test_many_recipients(layer: acrypto.Layer, tmp_path: Path) -> None:
    identities = [X25519Identity.generate() for _ in range(20)]
    box = run(layer, Encrypt([each.recipient for each in identities]), b"to all")
    recipients = tmp_path / "recipients"
    recipients.write_text("".join(f"# one\n{each.recipient}\n\n" for each in identities))
    theirs = age("-R", recipients, data=b"to all")
    for identity in identities:
        assert pyrage.decrypt(box, [pyrage.x25519.Identity.from_str(identity.export())]) == b"to all"
        assert run(layer, Decrypt([identity]), theirs) == b"to all"
    assert [str(each) for each in keyfiles.recipients(recipients.read_bytes())] == [
        str(each.recipient) for each in identities
    ]


@pytest.mark.slow
def test_passphrases_of_pyrage(layer: acrypto.Layer) -> None:
    box = run(layer, Encrypt([ScryptRecipient("correct horse", work_factor=12)]), ALL)
    assert pyrage.passphrase.decrypt(box, "correct horse") == ALL
    with pytest.raises(pyrage.DecryptError):
        pyrage.passphrase.decrypt(box, "wrong")
    box = pyrage.passphrase.encrypt(ALL, "correct horse")
    # rage chooses the work factor by the machine's speed.
    assert run(layer, Decrypt([ScryptIdentity("correct horse", max_work_factor=22)]), box) == ALL
    error = outcome(layer, Decrypt([ScryptIdentity("wrong", max_work_factor=22)]), box).error
    assert isinstance(error, acrypto.AuthenticationError)


@NEEDS_AGE
@pytest.mark.slow
def test_passphrases_of_age(layer: acrypto.Layer, tmp_path: Path) -> None:
    """It asks on a terminal, twice to encrypt."""
    (tmp_path / "text").write_bytes(ALL)
    on_terminal(["age", "-p", "-o", tmp_path / "box", tmp_path / "text"], "correct horse", "correct horse")
    assert run(layer, Decrypt(passphrase="correct horse"), (tmp_path / "box").read_bytes()) == ALL
    ours = run(layer, Encrypt([ScryptRecipient("correct horse", work_factor=12)], armor=True), ALL)
    (tmp_path / "ours").write_bytes(ours)
    on_terminal(["age", "-d", "-o", tmp_path / "back", tmp_path / "ours"], "correct horse")
    assert (tmp_path / "back").read_bytes() == ALL


@pytest.mark.skipif(shutil.which("age-keygen") is None, reason="age-keygen is not installed")
def test_keys_of_age_keygen(tmp_path: Path) -> None:
    done = subprocess.run(["age-keygen"], capture_output=True, check=True)
    [identity] = keyfiles.identities(done.stdout)
    assert str(identity.recipient) in done.stdout.decode()
    again = subprocess.run(["age-keygen", "-y"], input=identity.export().encode(), capture_output=True, check=True)
    assert again.stdout.decode().strip() == str(identity.recipient)
