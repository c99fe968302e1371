"""The simulated accelerator: right results in each of its manners, and each of its ways to die.

Its timing is proven in the core, in time that tests move (rust/core/tests/simulated.rs).
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest

import acrypto
from acrypto.engines.simulated import DEATHS, Simulated
from acrypto.testing.conformance import check_engine

MESSAGES = [bytes([number]) * (37 * number) for number in range(60)]
RIGHT = [hashlib.sha256(message).digest() for message in MESSAGES]

CHARACTERS: dict[str, dict[str, Any]] = {
    "interrupt": {},
    "polling": {"mode": "polling"},
    "narrow": {"depth": 2, "accept": 1},
    "disorderly": {"window": 8, "jitter": 0.9},
    "laborious": {"submit_us": 3.0},
}
characters = pytest.mark.parametrize("character", CHARACTERS.values(), ids=CHARACTERS)


def ended(operation: acrypto.Operation[bytes]) -> object:
    try:
        return operation.wait(20)
    except acrypto.AcryptoError as error:
        return error


def test_a_sound_one_keeps_the_contract_of_engines() -> None:
    few = ["sha256", "crc32", "gcm(aes)", "deflate"]
    for mode in ("interrupt", "polling"):
        assert check_engine(lambda mode=mode: Simulated(mode=mode, latency_us=1.0, algorithms=few)) is None


@characters
def test_results_are_those_of_software(character: dict[str, Any]) -> None:
    with acrypto.open([Simulated(**character)]) as layer:
        operations = [layer.digest("sha256", message) for message in MESSAGES]
        assert [operation.wait(20) for operation in operations] == RIGHT
        packed = layer.compress("gzip", b"x" * 50_000).wait(20)
        assert bytes(layer.decompress("gzip", packed).wait(20)) == b"x" * 50_000
        aead = layer.transform("gcm(aes)", key=bytes(16))
        assert bytes(aead.decrypt(bytes(12), aead.encrypt(bytes(12), b"x", b"y").wait(20), b"y").wait(20)) == b"x"
    assert layer.lingering() == 0


@characters
def test_it_works_in_a_loop(character: dict[str, Any]) -> None:
    async def main() -> None:
        async with acrypto.open([Simulated(**character)]) as layer:
            assert await asyncio.gather(*(layer.digest("sha256", message) for message in MESSAGES)) == RIGHT

    asyncio.run(main())


def test_it_is_found_by_driver_and_bids_less_than_software() -> None:
    with acrypto.open([Simulated(algorithms=["sha256"], name="odd"), "software"]) as layer:
        operation = layer.transform("sha256-odd").digest(b"x")
        assert operation.wait(20) == acrypto.sha256(b"x")
        assert operation.completion is not None
        assert (operation.completion.device, operation.completion.driver) == ("odd0", "sha256-odd")
        assert layer.find("sha256").driver != "sha256-odd"


def test_two_of_different_character_stand_in_one_layer() -> None:
    with acrypto.open([Simulated(name="near", latency_us=1.0), Simulated(name="wide", rate=1e10)]) as layer:
        assert [device.name for device in layer.devices()] == ["near0", "wide0"]
        assert layer.transform("crc32-wide").digest(b"x").wait(20) == acrypto.crc32(b"x")


def test_what_fails_is_an_engine_error() -> None:
    engine = Simulated(algorithms=["sha256"])
    with acrypto.open([engine]) as layer:
        engine.tune("error_rate", 1.0)
        error = ended(layer.digest("sha256", b"x"))
        assert isinstance(error, acrypto.EngineError)
        assert "simulated" in str(error)


def test_a_liar_does_not_pass_its_self_test() -> None:
    with acrypto.open([Simulated(algorithms=["sha256"], corrupt_rate=1.0)]) as layer:
        assert [row.selftest for row in layer.offers()] == ["failed"]


@pytest.mark.parametrize("how", DEATHS)
def test_whatever_it_dies_of_all_ends_when_the_layer_closes(how: str) -> None:
    engine = Simulated(algorithms=["sha256"], latency_us=5000.0)
    with acrypto.open([engine]) as layer:
        engine.tune("latency_us", 1e7)
        operations = [layer.digest("sha256", message) for message in MESSAGES]
        engine.kill(how)
        assert "simulated" in (engine.health() or "")
    assert all(isinstance(ended(operation), (acrypto.DeviceLost, acrypto.ClosedError)) for operation in operations)
    assert layer.lingering() == 0


def test_after_a_silent_death_it_can_be_revived() -> None:
    engine = Simulated(algorithms=["sha256"])
    with acrypto.open([engine]) as layer:
        engine.kill("silent")
        assert engine.revive()
        assert engine.health() is None
        assert layer.digest("sha256", b"x").wait(20) == acrypto.sha256(b"x")


def test_it_may_be_opened_again() -> None:
    engine = Simulated(algorithms=["sha256"])
    for _ in range(3):
        with acrypto.open([engine]) as layer:
            assert layer.digest("sha256", b"x").wait(20) == acrypto.sha256(b"x")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"depth": 0}, "depth is 0; it must be from 1"),
        ({"depth": 1.5}, "depth is 1.5; it must be a whole number"),
        ({"depth": True}, "depth is True; it must be a number"),
        ({"latency_us": -1}, "latency_us is -1; it must be from 0"),
        ({"latency_us": "1"}, "latency_us is '1'; it must be a number"),
        ({"rate": 0}, "rate is 0; it must be from 1"),
        ({"rate": 10**400}, "rate is too large"),
        ({"jitter": 1.5}, "jitter is 1.5; it must be from 0 to 1"),
        ({"window": 0}, "window is 0; it must be from 1"),
        ({"accept": -1}, "accept is -1"),
        ({"error_rate": 2}, "error_rate is 2"),
        ({"corrupt_rate": float("nan")}, "corrupt_rate is NaN"),
        ({"loss_rate": -0.5}, "loss_rate is -0.5"),
        ({"submit_us": float("inf")}, "submit_us is inf"),
        ({"mode": "dreaming"}, "mode is 'dreaming'; it must be one of interrupt, polling"),
        ({"priority": 1.0}, "priority is 1.0; it must be a whole number"),
        ({"seed": -1}, "seed is -1; it must be from 0"),
        ({"name": ""}, "name is ''"),
        ({"name": "two words"}, "name is 'two words'"),
        ({"algorithms": "sha256"}, "algorithms is 'sha256'; it must be a sequence of names"),
    ],
)
def test_values_outside_their_limits_are_mistakes(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(acrypto.UsageError, match=told):
        Simulated(**wrong)


def test_unknown_names_are_told() -> None:
    engine = Simulated()
    with pytest.raises(acrypto.UnknownAlgorithm, match="nosuch"):
        Simulated(algorithms=["nosuch"])
    with pytest.raises(acrypto.UsageError, match=r"colour.*latency_us"):
        engine.tune("colour", 1)
    with pytest.raises(acrypto.UsageError, match="method"):
        engine.tune("kill", 1)
    with pytest.raises(acrypto.UsageError, match="dropped, silent, held"):
        engine.kill("loudly")
    with pytest.raises(acrypto.UsageError, match="slow is 0"):
        engine.slow(0)
    engine.slow(2.5)
    assert engine.health() is None
