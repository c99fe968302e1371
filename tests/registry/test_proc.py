"""The text of /proc/crypto: as it stands here, as an existing parser reads it, and as this machine's kernel has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jc.parsers import proc_crypto

from acrypto import _core
from acrypto.model.offers import KINDS
from acrypto.model.shapes import Shape, shape_of
from acrypto.registry.listing import OfferRow
from acrypto.registry.proc import proc_text

GOLDEN = """\
name         : drbg
driver       : drbg-awslc
module       : acrypto_software
priority     : 100
refcnt       : 1
selftest     : passed
internal     : no
type         : rng
seedsize     : 0

name         : x25519
driver       : x25519-awslc
module       : acrypto_software
priority     : 100
refcnt       : 1
selftest     : passed
internal     : no
type         : kpp

name         : rsa
driver       : rsa-awslc
module       : acrypto_software
priority     : 100
refcnt       : 1
selftest     : passed
internal     : no
type         : akcipher

name         : authenc(hmac(sha256),cbc(aes))
driver       : authenc(hmac-sha256-awslc,cbc-aes-awslc)
module       : acrypto_template
priority     : 1100
refcnt       : 2
selftest     : passed
internal     : no
type         : aead
async        : no
blocksize    : 16
ivsize       : 16
maxauthsize  : 32
geniv        : <none>

name         : gcm(aes)
driver       : cryptd(gcm-aes-awslc)
module       : acrypto_cryptd
priority     : 150
refcnt       : 1
selftest     : passed
internal     : no
type         : aead
async        : yes
blocksize    : 1
ivsize       : 12
maxauthsize  : 16
geniv        : <none>

name         : ctr(aes)
driver       : ctr-aes-awslc
module       : acrypto_software
priority     : 100
refcnt       : 1
selftest     : passed
internal     : no
type         : skcipher
async        : no
blocksize    : 1
min keysize  : 16
max keysize  : 32
ivsize       : 16
chunksize    : 16
walksize     : 16
statesize    : 0

name         : hmac(sha256)
driver       : hmac-sha256-gpu
module       : acrypto_my_gpu
priority     : 300
refcnt       : 4
selftest     : unknown
internal     : no
type         : ahash
async        : yes
blocksize    : 64
digestsize   : 32

name         : sha256
driver       : sha256-awslc
module       : acrypto_software
priority     : 100
refcnt       : 1
selftest     : passed
internal     : no
type         : shash
blocksize    : 64
digestsize   : 32

name         : deflate
driver       : deflate-iaa
module       : acrypto_iaa
priority     : 300
refcnt       : 1
selftest     : unknown
internal     : no
type         : acomp

name         : deflate
driver       : deflate-libdeflate
module       : acrypto_software
priority     : 100
refcnt       : 1
selftest     : passed
internal     : no
type         : scomp

"""


def row(algorithm: str, driver: str, kind: str, **facts: object) -> OfferRow:
    usual: dict[str, object] = dict.fromkeys(OfferRow.__slots__, 0) | {
        "algorithm": algorithm,
        "driver": driver,
        "device": "software0",
        "engine": "software",
        "kind": kind,
        "priority": 100,
        "insecure": False,
        "asynchronous": False,
        "selftest": "passed",
        "reason": "",
        "users": 0,
        "shape": shape_of(algorithm),
        "library": "",
        "id": 0,
    }
    return OfferRow(**(usual | facts))


#: Oldest first, as a layer lists them.
ROWS = [
    row("deflate", "deflate-libdeflate", "compression"),
    row(
        "deflate", "deflate-iaa", "compression", engine="iaa", priority=300, asynchronous=True, selftest="failed",
        reason="wrong bytes",
    ),
    row("sha256", "sha256-awslc", "digest"),
    row(
        "hmac(sha256)", "hmac-sha256-gpu", "mac", engine="my-gpu", priority=300, asynchronous=True, users=3,
        selftest="unknown",
    ),
    row("ctr(aes)", "ctr-aes-awslc", "cipher"),
    row("gcm(aes)", "cryptd(gcm-aes-awslc)", "aead", engine="cryptd", priority=150, asynchronous=True),
    row(
        "authenc(hmac(sha256),cbc(aes))", "authenc(hmac-sha256-awslc,cbc-aes-awslc)", "aead", engine="template",
        priority=1100, users=1,
    ),
    row("rsa", "rsa-awslc", "signature"),
    row("x25519", "x25519-awslc", "agreement"),
    row("drbg", "drbg-awslc", "random"),
]  # fmt: skip


def kernel() -> str:
    """The file of this machine's kernel."""
    try:
        return Path("/proc/crypto").read_text(encoding="ascii")
    except FileNotFoundError:
        pytest.skip("no /proc/crypto here")


def labels(text: str) -> dict[str, list[tuple[str, ...]]]:
    """For each type the labels of its blocks, in their order, without those that kernels differ in."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for block in text.split("\n\n")[:-1]:
        names = re.findall(r"^(.{13}): ", block, re.MULTILINE)
        kind = re.findall(r"^type +: (.*)$", block, re.MULTILINE)[0]
        # 6.9 brought the one, and the other comes in FIPS mode.
        found.setdefault(kind, []).append(
            tuple(name.rstrip() for name in names if name.rstrip() not in {"statesize", "fips"})
        )
    return found


def test_the_text_is_as_it_stands_here() -> None:
    assert proc_text(ROWS) == GOLDEN


def test_without_offers_there_is_no_text() -> None:
    assert not proc_text([])


def test_an_existing_parser_reads_it() -> None:
    """jc, which knows nothing of us, finds every offer with its values."""
    blocks = proc_crypto.parse(proc_text(ROWS), quiet=True)
    assert [(block["name"], block["driver"]) for block in blocks] == [
        (row.algorithm, row.driver) for row in reversed(ROWS)
    ]
    by_driver = {block["driver"]: block for block in blocks}
    assert by_driver["ctr-aes-awslc"]["max keysize"] == 32
    assert by_driver["hmac-sha256-gpu"]["refcnt"] == 4
    assert by_driver["authenc(hmac-sha256-awslc,cbc-aes-awslc)"]["geniv"] == "<none>"


def test_the_parser_finds_the_same_labels_in_the_kernels_file() -> None:
    """For each type that both have: the same labels, in the same order."""
    text = kernel()
    ours, theirs = labels(proc_text(ROWS)), labels(text)
    common = ours.keys() & theirs.keys()
    if not common:
        pytest.skip("/proc/crypto has no type that is ours")
    for kind in common:
        assert set(ours[kind]) == set(theirs[kind]), kind
    parsed = {block["type"]: block.keys() for block in proc_crypto.parse(text, quiet=True)}
    for block in proc_crypto.parse(proc_text(ROWS), quiet=True):
        if block["type"] in parsed:
            assert block.keys() - {"statesize"} == parsed[block["type"]] - {"statesize", "fips"}


def test_the_kernels_file_has_the_form_of_ours() -> None:
    """Labels of 13 columns, one blank line behind each block: all that a parser may lean on."""
    form = r"(([a-z]+( [a-z]+)?) {0,12}: \S.*\n(?<!\n\n))+\n"
    for text in (kernel(), proc_text(ROWS)):
        assert all(line == "" or line[13:15] == ": " for line in text.splitlines())
        assert re.fullmatch(rf"({form})+", text)


def test_values_are_the_kernels_where_both_have_the_name() -> None:
    """Sizes of what we and this kernel call the same, printed by both."""
    ours = {row["name"]: row for row in _core.algorithms()}
    compared = 0
    for block in proc_crypto.parse(kernel(), quiet=True):
        known = ours.get(block["name"])
        kinds = {"shash": {"digest", "mac"}, "skcipher": {"cipher"}, "aead": {"aead"}}
        if known is not None and known["kind"] in kinds.get(block["type"], ()) and "ccm(" not in block["name"]:
            (mine,) = proc_crypto.parse(proc_text([row(known["name"], known["driver"], known["kind"])]), quiet=True)
            for label in mine.keys() & block.keys() - {"driver", "module", "priority", "refcnt", "selftest", "async"}:
                assert mine[label] == block[label], (block["name"], label)
            compared += 1
    if not compared:
        pytest.skip("/proc/crypto has no name that is ours")


@given(
    st.text(max_size=20),
    st.sampled_from(KINDS),
    st.booleans(),
    st.integers(-5, 10**9),
    st.sampled_from(["passed", "failed", "unknown"]),
)
def test_no_engine_breaks_the_form(engine: str, kind: str, asynchronous: bool, priority: int, verdict: str) -> None:
    """Whatever an engine calls itself: one block, each label once, read back by the parser."""
    strange = row("own(thing)", "own-driver", kind, engine=engine, asynchronous=asynchronous, priority=priority)
    strange.selftest, strange.shape = verdict, Shape()
    (block,) = proc_crypto.parse(proc_text([strange]), quiet=True)
    assert (block["priority"], block["driver"]) == (priority, "own-driver")
    assert re.fullmatch(r"acrypto_[\w.+/]*", block["module"], re.ASCII)
    assert block["selftest"] == ("passed" if verdict == "passed" else "unknown")
