"""What stages of a route need beside the message, and what may be a stage."""

from __future__ import annotations

import pytest
from tests.layer.only import Only, until
from tests.layer.ways import KEY, Way, opened, private_key

import acrypto

# ---- Extras by name


def test_one_taker_needs_no_dict(soft: acrypto.Layer) -> None:
    way = Way.of(soft, ["zlib", "gcm(aes)", "hmac(sha256)"])
    [nonce], [ad] = way.extras["nonce"].values(), way.extras["ad"].values()
    packed = bytes(way.run(b"x").wait())
    for key in (1, "gcm(aes)"):
        assert bytes(way.route.run(b"x", nonce={key: nonce}, ad={key: ad}).wait()) == packed
    assert bytes(way.route.run(b"x", nonce=nonce, ad=ad).wait()) == packed
    assert bytes(way.route.run(b"x", nonce=bytearray(nonce), ad=[ad[:3], memoryview(ad)[3:]]).wait()) == packed
    assert bytes(way.route.reverse().run(packed, nonce=nonce, ad=ad).wait()) == b"x"


def test_several_takers_are_told_apart_by_number_or_name(soft: acrypto.Layer) -> None:
    """Numbers are those of the route as it was made, whichever way it runs."""
    way = Way.of(soft, ["gcm(aes)", "zlib", "rfc7539(chacha20,poly1305)"])
    packed = bytes(way.run(b"x").wait())
    by_name = {
        which: {way.kinds[index].name: value for index, value in values.items()} for which, values in way.extras.items()
    }
    assert bytes(way.route.run(b"x", **by_name).wait()) == packed
    assert bytes(way.route.reverse().run(packed, **by_name).wait()) == b"x"
    with pytest.raises(acrypto.UsageError, match=r"2 stages .* nonce"):
        way.route.run(b"x", nonce=bytes(12))
    with pytest.raises(acrypto.UsageError, match=r"2 stages .* ad"):
        way.route.run(b"x", nonce=way.extras["nonce"], ad=b"x")


@pytest.mark.parametrize("nonce", [None, {}, {0: bytes(12)}, {"zlib": bytes(12)}], ids=repr)
def test_a_missing_nonce_is_a_mistake_that_is_told(soft: acrypto.Layer, nonce: object) -> None:
    with pytest.raises(acrypto.UsageError, match=r"nonce.*gcm\(aes\)"):
        Way.of(soft, ["zlib", "gcm(aes)"]).route.run(b"x", nonce=nonce).wait()


@pytest.mark.parametrize(
    "extras",
    [
        {"nonce": {"gcm(aes)": bytes(12)}, "ad": {"gmc(aes)": b"header"}},
        {"nonce": {1: bytes(12)}, "ad": {7: b"header"}},
        {"nonce": {1: bytes(12), 0: bytes(12)}},
        {"nonce": {1: bytes(12)}, "ad": {0: b"header"}},
    ],
    ids=str,
)
def test_an_extra_that_no_stage_takes_is_a_mistake(soft: acrypto.Layer, extras: dict[str, object]) -> None:
    """Dropped, additional data would look authenticated and not be."""
    with pytest.raises(acrypto.UsageError):
        Way.of(soft, ["zlib", "gcm(aes)"]).route.run(b"x", **extras).wait()


@pytest.mark.parametrize("extras", [{"nonce": bytes(12)}, {"ad": b"header"}], ids=str)
def test_an_extra_for_a_route_without_takers_is_a_mistake(soft: acrypto.Layer, extras: dict[str, object]) -> None:
    with pytest.raises(acrypto.UsageError):
        Way.of(soft, ["zlib", "hmac(sha256)"]).route.run(b"x", **extras).wait()


def test_one_name_for_two_stages_is_a_mistake(soft: acrypto.Layer) -> None:
    """One nonce used twice under one key gives the plaintext away."""
    way = Way.of(soft, ["gcm(aes)", "gcm(aes)"])
    with pytest.raises(acrypto.UsageError):
        way.route.run(b"secret", nonce={"gcm(aes)": bytes(12)}).wait()


def test_who_takes_no_nonce_is_no_taker(soft: acrypto.Layer) -> None:
    route = soft.route(soft.transform("ecb(aes)", key=KEY), soft.transform("gcm(aes)", key=KEY))
    packed = route.run(bytes(32), nonce=bytes(12)).wait()
    assert bytes(route.reverse().run(packed, nonce=bytes(12)).wait()) == bytes(32)


def test_additional_data_is_borrowed_until_the_end(soft: acrypto.Layer) -> None:
    gate = Only("first", "zlib")
    with opened(gate) as layer:
        ad = bytearray(b"header")
        operation = layer.route(layer.transform("zlib"), layer.transform("gcm(aes)", key=KEY)).run(
            b"x", nonce=bytes(12), ad=ad
        )
        with pytest.raises(BufferError):
            ad.append(1)
        gate.open()
        operation.wait(60)
        until(lambda: not layer.lingering())
        ad.append(1)


# ---- What may be a route


def test_what_has_no_place_in_a_route_is_refused(soft: acrypto.Layer) -> None:
    key = soft.transform("x25519", key=private_key("x25519"))
    for transform in (soft.transform("ed25519", key=private_key("ed25519")), key):
        with pytest.raises(acrypto.UsageError, match=r"no place in a route"):
            soft.route(soft.transform("zlib"), transform)
    with pytest.raises(acrypto.UsageError, match="no transforms"):
        soft.route()
    with pytest.raises(TypeError):
        soft.route("zlib")  # type: ignore[arg-type]
    with acrypto.open(["software"]) as other, pytest.raises(acrypto.UsageError, match=r"sha256 .* another layer"):
        soft.route(soft.transform("zlib"), other.transform("sha256"))


def test_a_stage_that_refuses_its_message_ends_the_route(soft: acrypto.Layer) -> None:
    route = soft.route(soft.transform("sha256"), soft.transform("cbc(aes)", key=KEY))
    with pytest.raises(acrypto.UsageError, match="multiple of 16"):
        route.run(b"odd", nonce=bytes(16)).wait()
    assert soft.lingering() == 0
