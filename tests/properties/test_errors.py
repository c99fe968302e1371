"""Wrong calls are told at once and clearly, with the value and the limit, and never with a secret."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.properties.cases import AEADS, CASES, CHECKABLE, Case, name_of

import acrypto

SECRET = b"hunter2-hunter2-hunter2-hunter2!"
KEY_LENGTHS = {
    "gcm(aes)": {16, 24, 32},
    "ccm(aes)": {16, 24, 32},
    "ctr(aes)": {16, 24, 32},
    "cbc(aes)": {16, 24, 32},
    "ecb(aes)": {16, 24, 32},
    "xts(aes)": {32, 64},
    "cmac(aes)": {16, 24, 32},
    "chacha20-poly1305": {32},
    "rfc7539(chacha20,poly1305)": {32},
    "cbc(des3_ede)": {24},
    "ecb(des3_ede)": {24},
}


def says(call: Callable[[], object], *words: object, error: type[Exception] = acrypto.UsageError) -> str:
    """Fails unless the call raises this error with these words, and without any key."""
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    for word in words:
        assert re.search(rf"(?<!\w){re.escape(str(word))}(?!\w)", text), f"{word!r} is missing in: {text}"
    shown = text + repr(caught.value)
    assert "hunter" not in shown
    assert SECRET.hex()[:8] not in shown
    return text


@pytest.mark.parametrize("name", KEY_LENGTHS)
def test_keys_of_other_lengths(name: str, layer: acrypto.Layer) -> None:
    """A key's length is checked against the algorithm's; the message tells both and nothing of the key."""
    for size in {0, 1, 15, 16, 17, 23, 24, 25, 31, 32, 33, 48, 63, 64, 65} - KEY_LENGTHS[name]:
        key = (SECRET * 3)[:size]
        says(lambda key=key: layer.transform(name, key=key), f"{size} bytes", name, *KEY_LENGTHS[name])
        if "des3" not in name:
            call = acrypto.mac if name == "cmac(aes)" else acrypto.encrypt
            arguments = (b"",) if name == "cmac(aes)" else (bytes(12), b"")
            says(lambda call=call, key=key, rest=arguments: call(name, key, *rest), f"{size} bytes")
    for size in KEY_LENGTHS[name]:
        layer.transform(name, key=(SECRET + b"-another half of a longer key....")[:size])


@pytest.mark.parametrize("case", [case for case in CASES if "key" in case.parameters], ids=name_of)
def test_a_key_is_needed(case: Case, layer: acrypto.Layer) -> None:
    """What takes a key says so when it gets none, and what kind."""
    says(lambda: layer.transform(case.name), case.name, "key")


def test_equal_halves_of_an_xts_key(layer: acrypto.Layer) -> None:
    """Two equal halves make XTS weak (SP 800-38E) and are refused."""
    for size in (16, 32):
        says(lambda size=size: layer.transform("xts(aes)", key=SECRET[:size] * 2), "xts(aes)", "halves")


@pytest.mark.parametrize(
    ("name", "good", "limits"),
    [
        ("gcm(aes)", {1, 12, 16, 128}, ("1", "128")),
        ("ccm(aes)", set(range(7, 14)), ("7", "13")),
        ("chacha20-poly1305", {12}, ("12",)),
        ("ctr(aes)", {16}, ("16",)),
        ("cbc(aes)", {16}, ("16",)),
        ("ecb(aes)", {0}, ("0",)),
        ("xts(aes)", {16}, ("16",)),
        ("cbc(des3_ede)", {8}, ("8",)),
        ("ecb(des3_ede)", {0}, ("0",)),
    ],
)
def test_nonces_of_other_lengths(name: str, good: set[int], limits: tuple[str, ...], layer: acrypto.Layer) -> None:
    """A nonce's length is checked before anything is queued, in both directions and for batches."""
    size = {"xts(aes)": 64}.get(name, 24 if "des3" in name else 32)
    transform = layer.transform(name, key=(SECRET + b"-another half of a longer key....")[:size])
    message = bytes(32)
    for length in {0, 1, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 128, 129} - good:
        if (name == "gcm(aes)" and 1 <= length <= 128) or (name == "ccm(aes)" and length in good):
            continue
        nonce = bytes(length)
        for call in (
            lambda n=nonce: transform.encrypt(n, message),
            lambda n=nonce: transform.decrypt(n, message),
            lambda n=nonce: transform.encrypt_many([n], [message]),
        ):
            says(call, f"{length} bytes", name, *limits)
    for length in good:
        assert transform.decrypt(bytes(length), transform.encrypt(bytes(length), message).wait()).wait() == message


@pytest.mark.parametrize("case", [*AEADS, *(c for c in CHECKABLE if c.kind == "mac")], ids=name_of)
def test_tags_of_other_lengths(case: Case, layer: acrypto.Layer) -> None:
    """A tag's length is one that the standard allows; what is made with it has it."""
    full = 16 if case.kind == "aead" else len(case.forward(case.transform(layer), b"").wait())
    fewest = 16 if "chacha" in case.name or case.name.startswith("stream(") else 4
    allowed = set()
    for size in (0, 1, 3, 4, 5, 6, 7, 8, 12, 13, 15, 16, 17, full, full + 1):
        try:
            transform = layer.transform(case.name, **case.parameters, tag_len=size)
        except acrypto.UsageError:
            says(
                lambda size=size: layer.transform(case.name, **case.parameters, tag_len=size),
                size,
                "tag_len",
                case.name,
            )
            continue
        allowed.add(size)
        result = case.forward(transform, b"message").wait()
        if case.kind == "aead":
            assert len(result) == len(b"message") + size
            assert transform.decrypt(case.nonce, result).wait() == b"message"
        else:
            assert len(result) == size
            assert transform.verify(result, b"message").wait() is None
    assert (min(allowed), max(allowed)) == (fewest, full)


@pytest.mark.parametrize(
    ("name", "message"),
    [("cbc(aes)", 15), ("cbc(aes)", 17), ("ecb(aes)", 1), ("xts(aes)", 0), ("xts(aes)", 15), ("cbc(des3_ede)", 9)],
)
def test_messages_that_do_not_fit_the_mode(name: str, message: int, layer: acrypto.Layer) -> None:
    """Nothing pads: a message that is no number of blocks is refused with its size."""
    (case,) = (case for case in CASES if case.name == name)
    transform = case.transform(layer)
    says(lambda: transform.encrypt(case.nonce, bytes(message)), f"{message} bytes", name)
    says(lambda: transform.decrypt(case.nonce, bytes(message)), f"{message} bytes", name)


@pytest.mark.parametrize("case", [case for case in CASES if case.kind == "cipher"], ids=name_of)
def test_additional_data_without_authentication(case: Case, layer: acrypto.Layer) -> None:
    """A cipher that authenticates nothing does not pretend to take additional data."""
    transform = case.transform(layer)
    says(lambda: transform.encrypt(case.nonce, bytes(16), b"ad"), case.name)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_unknown_parameters(case: Case, layer: acrypto.Layer) -> None:
    """A parameter that is not the algorithm's is refused by name, and so is one that nobody has."""
    wrong = {"digest_size": 16} if case.kind != "digest" else {"level": 1}
    says(lambda: layer.transform(case.name, **case.parameters, **wrong), case.name, *wrong)
    with pytest.raises(TypeError):
        layer.transform(case.name, colour="blue")
    if case.kind in {"digest", "compression"}:
        says(
            lambda: getattr(acrypto, "compress" if case.kind == "compression" else "digest")(case.name, b"", key=b"k"),
            "key",
        )
        call = acrypto.compress if case.kind == "compression" else acrypto.digest
        says(lambda: call(case.name, b"", colour="blue"), "colour")


@pytest.mark.parametrize(
    ("name", "parameter", "bad", "limits"),
    [
        *((name, "level", bad, ("0", "9")) for name in ("deflate", "zlib", "gzip") for bad in (-1, 10)),
        *((name, "window", bad, ("9", "15")) for name in ("deflate", "zlib", "gzip") for bad in (8, 16)),
        *((name, "strategy", "fastest", ("fixed",)) for name in ("deflate", "zlib", "gzip")),
        *(("zstd", "level", bad, ("-7", "22")) for bad in (-8, 23)),
        *(("zstd", "window", bad, ("10", "27")) for bad in (9, 28)),
        *((name, "level", bad, ("0", "12")) for name in ("lz4", "lz4-block") for bad in (-1, 13)),
        *(("blake2b", "digest_size", bad, ("1", "64")) for bad in (0, 65)),
        *(("blake3", "digest_size", bad, ("1", "65535")) for bad in (0, 65536)),
    ],
)
def test_values_out_of_range(
    name: str, parameter: str, bad: object, limits: tuple[str, ...], layer: acrypto.Layer
) -> None:
    """A parameter out of its range is refused with the value and the range."""
    text = says(lambda: layer.transform(name, **{parameter: bad}), parameter, name)
    assert all(word in text for word in (str(bad), *limits)), text


@pytest.mark.parametrize(("parameter", "bad"), [("hash", "md5"), ("padding", "none")])
def test_signatures_of_another_sort(parameter: str, bad: str, layer: acrypto.Layer) -> None:
    """Hashes and paddings of signatures are named, and others refused."""
    (case,) = (case for case in CASES if case.name == "rsa")
    says(lambda: layer.transform("rsa", **case.parameters, **{parameter: bad}), parameter, bad)


@pytest.mark.parametrize("name", ["ed25519", "ecdsa-nist-p256", "rsa", "x25519"])
def test_keys_that_are_none(name: str, layer: acrypto.Layer) -> None:
    """What is no key of the algorithm is a usage error that shows nothing of it."""
    others = {"ed25519", "ecdsa-nist-p256", "rsa", "x25519"} - {name}
    for key in (b"", SECRET[:31], SECRET + b"!", b"0" * 100, *(acrypto.generate_key(other) for other in others)):
        text = says(lambda key=key: layer.transform(name, key=key), name)
        assert "0000" not in text


def test_public_keys_only_verify(layer: acrypto.Layer) -> None:
    """A transform made of a public key checks signatures, and says why it makes none."""
    for name in ("ed25519", "ecdsa-nist-p256", "rsa"):
        key = acrypto.generate_key(name)
        signature = acrypto.sign(name, key, b"message")
        public = acrypto.public_key(name, key)
        transform = layer.transform(name, key=public)
        assert transform.verify(signature, b"message").wait() is None
        says(lambda transform=transform: transform.sign(b"message"), name, "public")
        assert layer.transform(name, key=key).public_key() == public


@pytest.mark.parametrize("name", ["", "gcm(aes) ", "hmac()", "gzip\0", "x" * 129, "x" * 10_000])
def test_names_that_are_none(name: str, layer: acrypto.Layer) -> None:
    """What does not follow the grammar is a usage error that tells the column, and repeats a bounded part."""
    for call in (lambda: layer.transform(name), lambda: layer.digest(name, b""), lambda: layer.explain(name, nbytes=1)):
        with pytest.raises(acrypto.UsageError, match="column") as caught:
            call()
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", ["sha", "SHA256", "md5", "x" * 128, "hmac(md5)"])
def test_unknown_algorithms(name: str, layer: acrypto.Layer) -> None:
    """A name that nobody knows is UnknownAlgorithm, by every door."""
    for call in (
        lambda: layer.transform(name),
        lambda: layer.digest(name, b""),
        lambda: layer.explain(name, nbytes=1),
        lambda: acrypto.digest(name, b""),
        lambda: acrypto.compress(name, b""),
        lambda: acrypto.mac(name, b"key", b""),
    ):
        with pytest.raises(acrypto.UnknownAlgorithm) as caught:
            call()
        assert isinstance(caught.value, LookupError)


@pytest.mark.parametrize("name", ["lzo", "lzo-rle", "842"])
def test_absent_algorithms(name: str, layer: acrypto.Layer) -> None:
    """A name of the field that nobody here can do is NoEngine, with the reason that the listing gives."""
    (row,) = (row for row in layer.algorithms() if row.name == name)
    assert row.absent
    for call in (
        lambda: layer.transform(name),
        lambda: layer.compress(name, b""),
        lambda: layer.explain(name, nbytes=1),
    ):
        assert row.absent in says(call, name, error=acrypto.NoEngine)


def test_insecure_algorithms_are_refused() -> None:
    """What the listing marks insecure works only in a layer whose settings ask for it, and has no one-shot."""
    with acrypto.open() as plain:
        rows = [row for row in plain.algorithms() if row.insecure]
        assert {row.name for row in rows} == {"cbc(des3_ede)", "ecb(des3_ede)"}
        for row in rows:
            says(lambda name=row.name: plain.transform(name, key=SECRET[:24]), row.name, "allow_insecure")
            says(lambda name=row.name: acrypto.encrypt(name, SECRET[:24], b"", b""), row.name, "allow_insecure")
    with acrypto.open(settings=acrypto.Settings(allow_insecure=True)) as asked:
        for row in rows:
            nonce = bytes(8) if row.name.startswith("cbc") else b""
            transform = asked.transform(row.name, key=SECRET[:24])
            assert transform.decrypt(nonce, transform.encrypt(nonce, bytes(16)).wait()).wait() == bytes(16)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_operations_of_another_kind(case: Case, layer: acrypto.Layer) -> None:
    """A transform has the operations of its kind; any other is a usage error that names the kind."""
    transform = case.transform(layer)
    mine = {
        "compression": {"compress", "decompress"},
        "digest": {"digest"},
        "mac": {"mac", "verify"},
        "cipher": {"encrypt", "decrypt"},
        "aead": {"encrypt", "decrypt"},
        "signature": {"sign", "verify"},
    }[case.kind]
    for verb in {"compress", "decompress", "digest", "mac", "sign", "agree"} - mine:
        says(lambda verb=verb: getattr(transform, verb)(b""), case.name, case.kind)
        with pytest.raises(acrypto.UsageError):
            getattr(transform, f"try_{verb}")(b"")
    for verb in {"encrypt", "decrypt", "verify"} - mine:
        says(lambda verb=verb: getattr(transform, verb)(b"", b""), case.name, case.kind)
    assert (transform.algorithm, transform.kind) == (case.name, case.kind)
    assert case.name in repr(transform)


def test_options_that_do_not_exist(layer: acrypto.Layer) -> None:
    """A misspelt option is a TypeError, as for every Python function; a device that is not there says so."""
    transform = layer.transform("sha256")
    for options in ({"prioritee": 1}, {"max_output": 5}, {"unit": 5}, {"level": 3}):
        with pytest.raises(TypeError):
            transform.digest(b"", **options)
    with pytest.raises(acrypto.UsageError, match="deadline"):
        transform.digest(b"", deadline=-1)
    says(lambda: layer.transform("deflate").compress_many(b"data", unit=0), "unit", "0 bytes")
    with pytest.raises(acrypto.AcryptoError, match="tpu9"):
        transform.digest(b"", device="tpu9")


def test_batches_of_unequal_length(layer: acrypto.Layer) -> None:
    """Every message of a batch needs a nonce, and no nonce may be left over."""
    aead = layer.transform("gcm(aes)", key=bytes(16))
    nonce = bytes(12)
    for nonces, batch, ads in (
        ([nonce], [b"", b""], None),
        ([nonce] * 2, [b""], None),
        ([nonce], [b""], []),
        ([nonce], [b""], [b"", b""]),
    ):
        with pytest.raises(acrypto.UsageError):
            aead.encrypt_many(nonces, batch, ads)


def test_random_of_a_silly_size(layer: acrypto.Layer) -> None:
    """A negative number of random bytes is refused; none is none."""
    says(lambda: layer.random(-1), "-1")
    assert layer.random(0).wait() == b""


def test_every_error_has_one_root() -> None:
    """All exceptions of ours are AcryptoErrors, say what they mean, and tell whether a retry can help."""
    errors = [value for value in vars(acrypto).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(errors) == 14
    for error in errors:
        assert issubclass(error, acrypto.AcryptoError)
        assert error.__doc__
        assert isinstance(error.retryable, bool)
    assert issubclass(acrypto.UsageError, ValueError)
    assert not acrypto.AuthenticationError.retryable
    assert acrypto.QueueFull.retryable
