"""Linux's own ciphers: the layer gives the bytes that a real kernel gave, and refuses what it refused."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.interop import kernel_answers
from tests.interop.kernel_cases import Case, asked, opened

import acrypto

_HERE = Path(__file__).resolve().parent
RECORDED = json.loads((_HERE / "answers/kernel.json").read_text())
CASES: list[Case] = RECORDED["cases"]
NAMES = sorted({case["name"] for case in CASES})

#: The IPsec algorithms, in the kernel, want the IV as the last bytes of the additional data too; our face does not.
WITH_IV = ("rfc4106", "rfc4309", "rfc4543", "rfc7539esp")
IV = 8


def expressible(case: Case) -> bool:
    """Whether our face can be asked this: not where the kernel's IV is missing from its additional data."""
    return not (case["name"].startswith(WITH_IV) and len(case["ad"]) < 2 * IV)


def ours(layer: acrypto.Layer, case: Case) -> dict[str, str]:
    """What the layer answers, in the kernel's words."""
    key, nonce, ad, data = (bytes.fromhex(case.get(field, "")) for field in ("key", "iv", "ad", "data"))
    name = case["name"]
    if name.startswith(WITH_IV):
        ad = ad[:-IV]
    elif name.startswith("ccm"):
        nonce = nonce[1:12]  # the kernel is given the first counter block, which begins with the counter's length
    elif name.startswith("seqiv"):
        nonce = b""  # it travels with the message
    parameters: dict[str, bytes | int] = {"key": key} if "key" in case else {}
    if "tag" in case:
        parameters["tag_len"] = case["tag"]
    try:
        transform = layer.transform(name, **parameters)  # type: ignore[arg-type]
        match case["op"]:
            case "digest" if "key" in case:
                return {"out": transform.mac(data).wait().hex()}
            case "digest":
                return {"out": transform.digest(data).wait().hex()}
            case "seal":
                return {"out": transform.encrypt(nonce, data, ad).wait().hex()}
            case "open":
                return {"out": transform.decrypt(nonce, data, ad).wait().hex()}
            case "encrypt":
                return {"out": transform.encrypt(nonce, data).wait().hex()}
        return {"out": transform.decrypt(nonce, data).wait().hex()}
    except acrypto.AuthenticationError:
        return {"error": "EBADMSG"}
    except acrypto.UsageError:
        return {"error": "EINVAL"}


def theirs(case: Case) -> dict[str, str]:
    """What the kernel answered, but for two differences that we want."""
    iv = IV if case["name"].startswith("seqiv") else 0
    if case["op"] == "open" and len(case["data"]) < 2 * (iv + case["tag"]):
        return {"error": "EBADMSG"}  # not EINVAL: whoever sent a box shorter than its tag is to blame, not the caller
    if case["name"].startswith("authenc") and case["op"] == "seal" and 0 < case["tag"] < 4:
        return {"error": "EINVAL"}  # three bytes of a MAC are no MAC
    if "error" in case:
        return {"error": case["error"]}
    return {"out": case["out"][2 * iv :]}  # the kernel leaves room for the IV before what a seqiv opened


def told(case: Case) -> str:
    """A case by its sizes."""
    sizes = {field: len(case[field]) // 2 for field in ("key", "iv", "ad", "data") if field in case}
    return f"{case['name']} {case['op']} {sizes} tag {case.get('tag')}"


def differences(layer: acrypto.Layer, cases: list[Case]) -> list[str]:
    """The cases that we answer otherwise than the kernel."""
    found = []
    for case in filter(expressible, cases):
        mine, its = ours(layer, case), theirs(case)
        if mine != its:
            found.append(f"{told(case)}: kernel {its}, we {mine}")
    return found


def test_the_answers_are_of_every_sort() -> None:
    """Each name was answered with bytes; AEADs also with both errors."""
    outcomes = Counter((case["name"], case.get("error", "out")) for case in CASES)
    for name in NAMES:
        assert outcomes[name, "out"] >= 3, name
    for name in {case["name"] for case in CASES if case["kind"] == "aead"}:
        assert outcomes[name, "EBADMSG"] >= 3, name
        assert outcomes[name, "EINVAL"] >= 1, name
    assert {error for _, error in outcomes} == {"out", "EBADMSG", "EINVAL"}


@pytest.mark.parametrize("name", NAMES)
def test_recorded_answers(layer: acrypto.Layer, name: str) -> None:
    """The same bytes, and the same refusals."""
    assert differences(layer, [case for case in CASES if case["name"] == name]) == []


@pytest.mark.parametrize("name", sorted({case["name"] for case in CASES if case["op"] == "seal"}))
def test_what_the_kernel_sealed_is_opened(layer: acrypto.Layer, name: str) -> None:
    """Every box of the kernel's gives its message back."""
    for case in CASES:
        if case["name"] == name and case["op"] == "seal" and "out" in case and theirs(case) == {"out": case["out"]}:
            assert ours(layer, {**case, "op": "open", "data": case["out"]}) == {"out": case["data"]}, told(case)


# ---- The kernel itself

Ask = Callable[[list[Case]], list[Case]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Has a real kernel answer cases."""
    if "ACRYPTO_UML" not in os.environ:
        pytest.skip("ACRYPTO_UML does not name a directory for the kernel; scripts/uml sets one up there")
    place = tmp_path_factory.mktemp("uml")
    script, out = place / "script", place / "out"
    out.mkdir()
    python = f"{sys.executable} {kernel_answers.__file__}"
    script.write_text(f'ins_crypto\n{python} "$OUT/cases" "$OUT/told"\n')

    def run(cases: list[Case]) -> list[Case]:
        (out / "cases").write_text(json.dumps(cases))
        done = subprocess.run([_HERE.parents[1] / "scripts/uml", script, out], capture_output=True, check=False)
        if done.returncode == 77:
            pytest.skip(done.stderr.decode().strip())
        assert done.returncode == 0, done.stderr.decode() + (out / "log").read_text()
        answers = json.loads((out / "told").read_text())["answers"]
        return [{**case, **answer} for case, answer in zip(cases, answers, strict=True)]

    return run


def _answers(cases: list[Case]) -> list[dict[str, str]]:
    return [{key: case[key] for key in ("out", "error") if key in case} for case in cases]


def _longer(dice: random.Random) -> list[Case]:
    """Messages of several pages, of sizes that every cipher takes."""
    cases = []
    for case in {case["name"]: case for case in asked(dice.randrange(1 << 32)) if len(case["data"]) == 64}.values():
        size = 16 * dice.randrange(256, 2000)
        cases.append({**case, "data": dice.randbytes(size).hex()})
    return cases


@pytest.mark.slow
def test_a_kernel_answers_fresh_cases_as_we_do(layer: acrypto.Layer, ask: Ask) -> None:
    """Random keys and messages, both ways: its answers are ours, and it opens what we sealed."""
    seed = random.SystemRandom().randrange(1 << 32)
    cases = asked(seed) + _longer(random.Random(seed))
    answered = ask(cases)
    assert differences(layer, answered) == [], f"seed {seed}"

    mine = [ours(layer, case) if expressible(case) else {"error": "EINVAL"} for case in cases]
    reopened = ask(opened(cases, mine, seed))
    assert len(reopened) > 100
    assert differences(layer, reopened) == [], f"seed {seed}"
