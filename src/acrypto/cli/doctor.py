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
from acrypto.engines.catalogue import ENGINES
from acrypto.model.errors import AcryptoError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from acrypto.layer.layer import Layer

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


@click.command("doctor")
@options.as_json
def command(as_json: bool) -> int:
    """Tell what works here: engines, build, CPU features, limits, and known answers.

    An absent engine is not a failure. Exit code 1 if something fails that should work: a build without optimisation, a
    known answer that is wrong, an algorithm that nobody offers and that should be offered.
    """
    build = _core.build_info()
    engines = [_engine(name) for name in ENGINES]
    checks = [{"check": "optimised build", "verdict": "PASS" if build["optimised"] else "FAIL", "detail": ""}]
    with options.layer() as layer:
        checks += [_checked(name, check, layer) for name, check in CHECKS.items()]
        offered = {row.name for row in layer.algorithms()}
    lacking = [row["name"] for row in _core.algorithms() if row["name"] not in offered]
    detail = ", ".join(lacking)
    checks.append({"check": "every algorithm offered", "verdict": "FAIL" if lacking else "PASS", "detail": detail})
    facts = _facts(build)
    if as_json:
        tell({"facts": facts, "engines": engines, "checks": checks})
    else:
        table(("fact", "value"), facts.items())
        print()
        table(("engine", "state", "needs"), ((row["engine"], row["state"], row["needs"]) for row in engines))
        print()
        table(("check", "verdict", "detail"), (row.values() for row in checks))  # type: ignore[misc]
    return int(any(row["verdict"] == "FAIL" for row in checks))


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


def _engine(name: str) -> dict[str, str]:
    engine = ENGINES[name]()
    absent = engine.probe()
    state = f"absent: {absent.reason}" if absent else "present" if engine.by_default else "present, opened by name only"
    return {"engine": name, "state": state, "needs": engine.needs}


def _checked(name: str, check: Callable[[Layer], bool], layer: Layer) -> dict[str, str]:
    try:
        right, detail = check(layer), ""
    except (AcryptoError, zlib.error) as error:
        right, detail = False, str(error)
    return {"check": name, "verdict": "PASS" if right else "FAIL", "detail": detail}
