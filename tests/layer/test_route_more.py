"""Stages that are added before a route ends, by a callback."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import zlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.layer.conftest import Run, Script
from tests.layer.only import device, until
from tests.layer.ways import KEY, KINDS, Way, opened, private_key

import acrypto

# ---- More stages before the end


def text_of(way: Way) -> bytes:
    return b"text" * 500 + way.kinds[0].name.encode()


@pytest.mark.parametrize("mode", ["queued", "direct", "inline", "poll"])
@pytest.mark.parametrize("times", range(4))
def test_a_stage_added_before_the_end_is_as_if_it_had_been_there(home: acrypto.Layer, mode: str, times: int) -> None:
    names = ["zlib", "hmac(sha256)", "sha256", "ctr(aes)"]
    whole = Way.of(home, names[: times + 1])
    seen = []

    def then(hop: acrypto.Hop) -> None:
        seen.append((hop.nbytes, [stage.algorithm for stage in hop.stages]))
        if len(hop.stages) <= times:
            kind = KINDS[names[len(hop.stages)]]
            nonce = bytes([len(hop.stages) + 1]) * kind.nonce_len
            hop.append(home.transform(kind.name, **kind.parameters), nonce=nonce or None)

    operation = Way.of(home, names[:1]).run(text_of(whole), mode=mode, then=then)
    if mode == "poll":
        reaped = []
        until(lambda: reaped.extend(home.poll()) or reaped)
        assert reaped == [operation]
    result = bytes(operation.wait(60))
    assert whole.undo_by_hand(result, operation.completion.digests) == text_of(whole)
    assert [stages for _, stages in seen] == [names[: at + 1] for at in range(times + 1)]
    assert [stage.algorithm for stage in operation.completion.stages] == names[: times + 1]
    assert seen[-1][0] == len(result)


def test_several_may_be_added_at_once(soft: acrypto.Layer) -> None:
    whole = Way.of(soft, ["zlib", "hmac(sha256)", "sha256", "hmac(sha512)"])

    def then(hop: acrypto.Hop) -> None:
        for kind in whole.kinds[1:] if len(hop.stages) == 1 else ():
            hop.append(soft.transform(kind.name, **kind.parameters))

    operation = Way.of(soft, ["zlib"]).run(b"text", then=then)
    assert whole.undo_by_hand(bytes(operation.wait(60)), operation.completion.digests) == b"text"


def test_it_is_asked_in_the_loop(run: Run, home: acrypto.Layer) -> None:
    async def main() -> None:
        here = threading.get_ident()
        asked = []

        def then(hop: acrypto.Hop) -> None:
            asked.append(threading.get_ident())
            if len(hop.stages) < 3:
                hop.append(home.transform("hmac(sha256)", key=KEY))

        results = await asyncio.gather(*(Way.of(home, ["zlib"]).run(b"text", then=then) for _ in range(20)))
        assert set(asked) == {here}
        assert len(asked) == 60
        whole = Way.of(home, ["zlib", "hmac(sha256)", "hmac(sha256)"])
        assert {whole.undo_by_hand(bytes(result), []) for result in results} == {b"text"}

    run(main())


def test_an_inline_route_in_a_loop_asks_on_the_spot(script: Script) -> None:
    """It must not wait for the loop that it holds up."""
    program = """
import asyncio, acrypto

async def main():
    async with acrypto.open(["software"], settings=acrypto.Settings(inline_us=0)) as layer:
        mac = layer.transform("hmac(sha256)", key=b"k")
        add = lambda hop: hop.append(mac) if len(hop.stages) < 2 else None
        operation = layer.route(mac).run(b"text", then=add, mode="inline")
        print(operation.done(), len(operation.result()))

asyncio.run(main())
"""
    assert script(program) == "True 68\n"


@pytest.mark.parametrize("is_small", [False, True])
def test_added_stages_write_into_the_callers_memory(home: acrypto.Layer, is_small: bool) -> None:
    whole = Way.of(home, ["zlib", "hmac(sha256)"])
    expected = bytes(whole.run(b"text" * 500).wait(60))
    memory = bytearray(b"\xa5" * (len(expected) + 64))
    room = len(expected) - is_small

    def then(hop: acrypto.Hop) -> None:
        if len(hop.stages) < 2:
            hop.append(home.transform("hmac(sha256)", key=KEY))

    with memoryview(memory) as view, view[:room] as target:
        operation = Way.of(home, ["zlib"]).run(b"text" * 500, into=target, then=then)
        if is_small:
            with pytest.raises(acrypto.OutputTooSmall):
                operation.wait(60)
        else:
            assert operation.wait(60) == room
            assert memory[:room] == expected
        until(lambda: not home.lingering())
    assert memory[room:] == b"\xa5" * (len(memory) - room)


def test_after_a_reverse_route_stages_run_forward(soft: acrypto.Layer) -> None:
    way = Way.of(soft, ["zlib", "hmac(sha256)"])

    def then(hop: acrypto.Hop) -> None:
        if len(hop.stages) < 3:
            hop.append(soft.transform("gcm(aes)", key=KEY), nonce=bytes(12), ad=[b"he", b"ader"])

    sealed = way.back(way.run(b"text").wait(60), then=then).wait(60)
    assert AESGCM(KEY).decrypt(bytes(12), bytes(sealed), b"header") == b"text"


def test_an_exception_in_it_is_reported_and_the_route_ends(
    soft: acrypto.Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", lambda unraisable: told.append(unraisable.exc_value))

    def then(hop: acrypto.Hop) -> None:
        hop.append(soft.transform("hmac(sha256)", key=KEY))
        raise RuntimeError("of the caller's own")

    operation = Way.of(soft, ["zlib"]).run(b"text", then=then)
    assert zlib.decompress(bytes(operation.wait(60))) == b"text"
    assert [str(error) for error in told] == ["of the caller's own"]


def test_wrong_additions_are_told_on_the_spot(soft: acrypto.Layer) -> None:
    kept: list[acrypto.Hop] = []
    told: list[str] = []

    def then(hop: acrypto.Hop) -> None:
        kept.append(hop)
        with acrypto.open(["software"]) as other:
            for transform in (
                other.transform("sha256"),
                soft.transform("ed25519", key=private_key("ed25519")),
            ):
                try:
                    hop.append(transform)
                except acrypto.UsageError as error:
                    told.append(str(error))

    Way.of(soft, ["zlib"]).run(b"text", then=then).wait(60)
    assert len(told) == 2
    assert "another layer" in told[0]
    assert "no place in a route" in told[1]
    with pytest.raises(acrypto.UsageError, match="gone on"):
        kept[0].append(soft.transform("sha256"))


def test_an_added_stage_that_fails_ends_the_route(soft: acrypto.Layer) -> None:
    def then(hop: acrypto.Hop) -> None:
        hop.append(soft.transform("gcm(aes)", key=KEY))

    with pytest.raises(acrypto.UsageError, match="nonce"):
        Way.of(soft, ["zlib"]).run(b"text", then=then).wait(60)
    assert soft.lingering() == 0


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_ended_while_its_caller_is_asked_it_lets_go(how: str) -> None:
    """And a stage may still be added, in vain, or is refused: the layer is closed."""
    asked, answer = threading.Event(), threading.Event()
    told: list[Exception] = []

    def then(hop: acrypto.Hop) -> None:
        asked.set()
        answer.wait()
        try:
            hop.append(mac)
        except acrypto.AcryptoError as error:
            told.append(error)

    with opened() as layer:
        mac = layer.transform("hmac(sha256)", key=KEY)
        source = bytearray(b"text")
        operation = layer.route(mac).run(source, then=then)
        assert asked.wait(60)
        closer = threading.Thread(target=operation.cancel if how == "cancel" else layer.close)
        closer.start()
        until(operation.done if how == "cancel" else lambda: not layer.is_open)
        answer.set()
        closer.join()
        if how == "cancel":
            with pytest.raises(asyncio.CancelledError):
                operation.wait(60)
        else:  # all that was asked for is done, so it may also end well
            with contextlib.suppress(acrypto.ClosedError):
                assert bytes(operation.wait(60)).startswith(b"text")
        until(lambda: not layer.lingering())
        source.append(1)
        assert all(isinstance(error, acrypto.ClosedError) for error in told)


@pytest.mark.parametrize("how", ["cancel", "close", "deadline", "forget"])
def test_one_that_waits_for_a_caller_who_does_not_poll(how: str) -> None:
    with opened() as layer:
        mac = layer.transform("hmac(sha256)", key=KEY)
        source = bytearray(b"text")
        wishes = {"deadline": 0.1} if how == "deadline" else {}
        operation = layer.route(mac).run(source, then=lambda hop: None, mode="poll", **wishes)
        until(lambda: device(layer, "software0").completed)
        if how == "cancel":
            operation.cancel()
        elif how == "deadline":
            with pytest.raises(acrypto.DeadlineExceeded):
                operation.wait(60)
        elif how == "close":
            layer.close()
            with pytest.raises(acrypto.ClosedError):
                operation.wait(60)
        elif how == "forget":
            del operation
        until(lambda: (layer.poll(), layer.lingering())[1] == 0)
        source.append(1)
