"""`acrypto doctor`."""

from __future__ import annotations

import os
import platform
import resource
import zlib

import click

from acrypto import _core
from acrypto.cli import options
from acrypto.cli.report import table, tell
from acrypto.engines.catalogue import catalogue
from acrypto.model.errors import AcryptoError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from acrypto.engines.base import Engine
    from acrypto.layer.layer import Layer
    from acrypto.registry.listing import OfferRow

#: FIPS 180-4, the digest of "abc".
SHA256_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#: GCM test case 2 of McGrew and Viega: 16 zero bytes under a zero key and nonce.
GCM_ZEROS = "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"


def _digest(layer: Layer) -> bool:
    return layer.digest("sha256", b"abc").wait().hex() == SHA256_ABC


def _aead(layer: Layer) -> bool:
    return layer.transform("gcm(aes)", key=bytes(16)).encrypt(bytes(12), bytes(16)).wait().hex() == GCM_ZEROS


def _gzip(layer: Layer) -> bool:
    data = bytes(range(256)) * 64
    packed = layer.compress("gzip", data).wait()
    return zlib.decompress(packed, 31) == data and layer.decompress("gzip", packed).wait() == data


def _round_trip(name: str) -> Callable[[Layer], bool]:
    data = bytes(range(256)) * 64
    return lambda layer: layer.decompress(name, layer.compress(name, data).wait()).wait() == data


CHECKS: dict[str, Callable[[Layer], bool]] = {
    "sha256 of abc": _digest,
    "gcm(aes) of zeros": _aead,
    "gzip, against zlib": _gzip,
    "zstd round trip": _round_trip("zstd"),
    "lz4 round trip": _round_trip("lz4"),
}


#: One of each template, to be proven as well; nobody may have asked for it yet. The last two outbid what they are made
#: of, so that what else is made of that would be made anew.
COMPOSED = (
    "hmac(blake2b)",
    "authenc(hmac(sha256),cbc(aes))",
    "authencesn(hmac(sha256),cbc(aes))",
    "essiv(cbc(aes),sha256)",
    "essiv(authenc(hmac(sha256),cbc(aes)),sha256)",
    "rfc4106(gcm(aes))",
    "rfc4543(gcm(aes))",
    "rfc4309(ccm(aes))",
    "rfc3686(ctr(aes))",
    "rfc7539esp(chacha20,poly1305)",
    "seqiv(rfc4106(gcm(aes)))",
    "cts(cbc(aes))",
    "cryptd(xts(aes))",
    "pcrypt(chacha20-poly1305)",
)


@click.command("doctor")
@click.option("--selftest", is_flag=True, help="Prove everything again, and tell each verdict.")
@options.as_json
def command(selftest: bool, as_json: bool) -> int:
    """Tell what works here: engines, build, CPU features, limits, compression devices, and known answers.

    Each work queue of a real device that can be opened is tried; with --selftest those of soft devices, too.

    An absent engine or device is not a failure. Exit code 1 if something fails that should work: a build without
    optimisation, a known answer that is wrong, a driver's self-test, a work queue, an algorithm that nobody offers and
    that should be offered, a stored configuration that would not be taken.
    """
    build = _core.build_info()
    # Before any engine is probed: a dedicated queue has one owner at a time.
    idxd, lights = _idxd(selftest=selftest)
    found = catalogue()
    engines = [_engine(name, kind) for name, kind in found.engines.items()]
    engines += [{"engine": name, "state": f"absent: {reason}", "needs": ""} for name, reason in found.broken]
    checks = [_check("optimised build", right=bool(build["optimised"]))]
    with options.layer() as layer:
        if selftest:
            checks.append(_compositions(layer))
        offers = layer.selftest() if selftest else layer.offers()
        checks += [_checked(name, check, layer) for name, check in CHECKS.items()]
    offered = {row.algorithm for row in offers if row.selftest != "failed"}
    lacking = [row["name"] for row in _core.algorithms() if row["name"] not in offered]
    checks.append(_check("every algorithm offered", right=not lacking, detail=", ".join(lacking)))
    failed = [f"{row.driver} on {row.device}: {row.reason}" for row in offers if row.selftest == "failed"]
    checks.append(_check("every self-test passed", right=not failed, detail="; ".join(failed)))
    proofs = [_proof(row) for row in offers] if selftest else []
    checks += lights + _stored_configuration()
    facts = _facts(build)
    if as_json:
        told = {"facts": facts, "engines": engines, "idxd": idxd, "checks": checks}
        tell(told | ({"selftests": proofs} if selftest else {}))
    else:
        table(("fact", "value"), facts.items())
        print()
        table(("engine", "state", "needs"), ((row["engine"], row["state"], row["needs"]) for row in engines))
        print()
        table(("device", "state", "what to do"), ((row["subject"], row["state"], row["mend"]) for row in idxd))
        if selftest:
            print()
            table(("driver", "algorithm", "device", "self-test", "ms", "reason"), map(_cells, proofs), right=(4,))
        print()
        table(("check", "verdict", "detail"), (row.values() for row in checks))  # type: ignore[misc]
    return int(any(row["verdict"] == "FAIL" for row in checks))


def _idxd(*, selftest: bool) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """What there is of real idxd devices and what keeps programs from them, and a check for each queue tried."""
    from acrypto.cli import first_light
    from acrypto.idxd import doctor, sysfs

    found = sysfs.discover()
    findings = doctor.examine(found)
    checks = []
    for queue, wrong, why_not in first_light.real(found.queues):
        if why_not:
            findings.append(doctor.Finding(queue, f"not tried: {why_not}"))
        else:
            checks.append(_check(f"first light of {queue}", right=not wrong, detail=wrong))
    if selftest:
        try:
            tried = first_light.soft()
        except (AcryptoError, OSError):
            tried = []  # what is stored is no good, which is a check of its own
        checks += [_check(f"first light of soft {queue}", right=not wrong, detail=wrong) for queue, wrong, _ in tried]
    return [finding.as_dict() for finding in findings], checks


def _stored_configuration() -> list[dict[str, str]]:
    """Whether the configuration of soft devices would be taken, if one is stored."""
    from acrypto.cli import queues
    from acrypto.idxd import stored

    try:
        if stored.read() is None:
            return []
        stored.open_bus(queues.nothing)
    except (AcryptoError, OSError) as error:
        return [_check("stored idxd configuration", right=False, detail=str(error))]
    return [_check("stored idxd configuration", right=True)]


def _facts(build: dict[str, object]) -> dict[str, object]:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    features = build["cpu_features"]
    return {
        "acrypto": build["version"],
        "target": build["target"],
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
        "cpus": f"{len(os.sched_getaffinity(0))} usable of {os.cpu_count()}",
        "cpu features": " ".join(features) if isinstance(features, list) else "",
        "open files, at most": "unlimited" if files == resource.RLIM_INFINITY else files,
    }


def _engine(name: str, kind: type[Engine]) -> dict[str, str]:
    try:
        engine = kind()
        absent = engine.probe()
    except Exception as error:  # an installed package's engine, which the contract binds and nothing else does
        return {"engine": name, "state": f"absent: {type(error).__name__}: {error}", "needs": kind.needs}
    state = f"absent: {absent.reason}" if absent else "present" if engine.by_default else "present, opened by name only"
    return {"engine": name, "state": state, "needs": engine.needs}


def _check(name: str, *, right: bool, detail: str = "") -> dict[str, str]:
    return {"check": name, "verdict": "PASS" if right else "FAIL", "detail": detail}


def _checked(name: str, check: Callable[[Layer], bool], layer: Layer) -> dict[str, str]:
    try:
        return _check(name, right=check(layer))
    except (AcryptoError, zlib.error) as error:
        return _check(name, right=False, detail=str(error))


def _compositions(layer: Layer) -> dict[str, str]:
    """Has one of each template made, so that it stands among the offers."""
    wrong = []
    for name in COMPOSED:
        try:
            layer.find(name)
        except AcryptoError as error:
            wrong.append(f"{name}: {error}")
    return _check("every template makes something", right=not wrong, detail="; ".join(wrong))


def _proof(row: OfferRow) -> dict[str, object]:
    facts = {name: getattr(row, name) for name in ("driver", "algorithm", "device", "selftest")}
    return {**facts, "ms": round(1000 * row.seconds, 3), "reason": row.reason}


def _cells(proof: dict[str, object]) -> list[object]:
    return list((proof | {"ms": f"{proof['ms']:.1f}"}).values())
