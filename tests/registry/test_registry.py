"""The registry: who wins a name, who may register, who waits for whom, and what is made of what."""

from __future__ import annotations

import gc
import logging
import threading

import pytest
from tests.registry.twins import PATIENCE, Liar, Slow, Twin, sha256

import acrypto
from acrypto import _core
from acrypto.model.offers import Offer
from acrypto.model.shapes import Shape

# ---- Who wins a name


def test_the_highest_priority_wins_a_name_and_a_driver_name_is_exact(layer: acrypto.Layer) -> None:
    layer.register(Twin(sha256("sha256-strong", 200), Offer("sha512", "sha512-weak", 50)))
    assert layer.find("sha256").driver == "sha256-strong"
    assert layer.find("sha512").driver == "sha512-awslc"
    assert layer.find("sha512-weak").driver == "sha512-weak"
    for name, ran in (("sha256", "sha256-strong"), ("sha256-awslc", "sha256-awslc"), ("sha512-weak", "sha512-weak")):
        operation = layer.transform(name).digest(b"abc")
        assert bytes(operation.wait(PATIENCE)) == _core.digest(name[:6], b"abc")
        assert operation.completion is not None
        assert operation.completion.driver == ran


def test_of_equals_the_older_wins(layer: acrypto.Layer) -> None:
    layer.register(Twin(sha256(priority=100)))
    assert layer.find("sha256").driver == "sha256-awslc"


def test_a_driver_name_wins_over_an_algorithm_name(layer: acrypto.Layer) -> None:
    """Whoever names a driver gets it, even one that is called like somebody else's algorithm."""
    layer.register(Twin(Offer("sha512", "sha256", 1)))
    assert layer.find("sha256").algorithm == "sha512"


def test_a_stronger_offer_wins_the_next_allocation_and_who_named_a_driver_stays(layer: acrypto.Layer) -> None:
    before = layer.transform("sha256-awslc")
    layer.register(Twin(sha256()))
    after = layer.transform("sha256")
    ran = []
    for transform in (before, after):
        operation = transform.digest(b"abc")
        operation.wait(PATIENCE)
        assert operation.completion is not None
        ran.append(operation.completion.driver)
    assert ran == ["sha256-awslc", "sha256-twin"]


def test_type_filters_choose_among_kinds_and_between_now_and_later(layer: acrypto.Layer) -> None:
    layer.register(Twin(sha256()))
    assert layer.find("sha256", asynchronous=False).driver == "sha256-awslc"
    assert layer.find("sha256", asynchronous=True).driver == "sha256-twin"
    assert layer.find("sha256", kind="digest").driver == "sha256-twin"
    with pytest.raises(acrypto.NoEngine, match="not as aead"):
        layer.find("sha256", kind="aead")
    with pytest.raises(acrypto.NoEngine, match="not as asynchronous"):
        layer.find("gcm(aes)", asynchronous=True)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("nonsense", acrypto.UnknownAlgorithm, "'nonsense'"),
        ("hmac(nonsense)", acrypto.UnknownAlgorithm, "'nonsense'"),
        ("lzo", acrypto.NoEngine, "absent"),
        ("gcm(", acrypto.UsageError, "column 5"),
        ("gcm(aes", acrypto.UsageError, "column 8"),
        ("a" * 129, acrypto.UsageError, "128"),
        ("hmac(crc32)", acrypto.UsageError, "a hash"),
        ("authenc(cbc(aes),hmac(sha256))", acrypto.UsageError, "a MAC first"),
        ("authenc(hmac(sha256))", acrypto.UsageError, "takes 2"),
        ("pcrypt(cbc(aes))", acrypto.UsageError, "an AEAD"),
        ("seqiv(gcm(aes))", acrypto.UsageError, "8 bytes"),
        ("cts(ctr(aes))", acrypto.UsageError, "CBC"),
        ("essiv(ctr(aes),sha256)", acrypto.UsageError, "block"),
        ("essiv(gcm(aes),sha256)", acrypto.UsageError, "authenc"),
        ("essiv(cbc(aes),sha512)", acrypto.UsageError, "16 to 32 bytes"),
        ("essiv(cbc(aes),sha1)", acrypto.UsageError, "can be a key of aes"),
        ("essiv(cbc(aes),crc32)", acrypto.UsageError, "can be a key of aes"),
        ("rfc4106(ccm(aes))", acrypto.UsageError, "gcm"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(
    layer: acrypto.Layer, name: str, error: type[Exception], words: str
) -> None:
    for ask in (layer.find, layer.transform):
        with pytest.raises(error, match=words):
            ask(name)


# ---- Who may register


def test_a_taken_driver_name_is_refused_and_nothing_is_registered(layer: acrypto.Layer) -> None:
    """Registration succeeds whole or leaves nothing."""
    before = [row.driver for row in layer.offers()]
    devices = [device.name for device in layer.devices()]
    engine = Twin(Offer("sha512", "sha512-twin", 200), sha256("sha256-awslc"))
    with pytest.raises(acrypto.UsageError, match="sha256-awslc is taken by engine software"):
        layer.register(engine)
    assert [row.driver for row in layer.offers()] == before
    assert [device.name for device in layer.devices()] == devices
    assert engine.closed.wait(PATIENCE)
    with pytest.raises(acrypto.UnknownAlgorithm):
        layer.find("sha512-twin")


@pytest.mark.parametrize(
    ("offers", "words"),
    [
        ([sha256(), sha256()], "twice"),
        ([Offer("own", "own-twin", 1)], "kind"),
        ([Offer("own", "own-twin", 1, kind="magic")], "'magic'"),
        ([Offer("own(", "own-twin", 1, kind="digest")], "column"),
        ([sha256("")], "driver name"),
        ([sha256("a b")], "driver name"),
        ([sha256("x" * 129)], "128"),
        ([sha256(priority=1 << 31)], "priority"),
    ],
)
def test_malformed_offers_are_refused(layer: acrypto.Layer, offers: list[Offer], words: str) -> None:
    count = len(layer.offers())
    with pytest.raises(acrypto.UsageError, match=words):
        layer.register(Twin(*offers))
    assert len(layer.offers()) == count


def test_the_same_engine_may_be_opened_again_under_the_same_drivers(layer: acrypto.Layer) -> None:
    assert layer.register(Twin(sha256())) == "twin0"
    assert layer.register(Twin(sha256())) == "twin1"
    assert [row.device for row in layer.offers() if row.driver == "sha256-twin"] == ["twin0", "twin1"]


# ---- Proof


def test_an_offer_that_fails_is_hidden_told_and_logged(layer: acrypto.Layer, caplog: pytest.LogCaptureFixture) -> None:
    """It never stops the layer, and what is right stays as it was."""
    with caplog.at_level(logging.WARNING, "acrypto"):
        layer.register(Liar(sha256("sha256-liar"), name="liar"))
    (row,) = (row for row in layer.offers() if row.driver == "sha256-liar")
    assert row.selftest == "failed"
    assert row.reason
    assert "sha256-liar" in caplog.text
    assert row.reason in caplog.text
    assert layer.find("sha256").driver == "sha256-awslc"
    with pytest.raises(acrypto.NoEngine, match="sha256-liar failed its self-test"):
        layer.transform("sha256-liar")


def test_a_layer_opens_though_everything_fails() -> None:
    with acrypto.open([Liar(sha256("sha256-liar"), name="liar")]) as alone:
        assert [row.selftest for row in alone.offers()] == ["failed"]
        with pytest.raises(acrypto.NoEngine, match="failed its self-test"):
            alone.transform("sha256")


def test_a_second_proof_hides_who_lies_by_now_and_shows_who_does_not(layer: acrypto.Layer) -> None:
    class Wavers(Liar):
        lies = False

        def do(self, job: _core.Job, source: bytes, nonce: bytes, ad: bytes, tag: bytes) -> bytes | Exception:
            return (Liar if Wavers.lies else Twin).do(self, job, source, nonce, ad, tag)

    layer.register(Wavers(sha256("sha256-wavers"), name="wavers"))
    for lies, verdict, winner in ((True, "failed", "sha256-awslc"), (False, "passed", "sha256-wavers")):
        Wavers.lies = lies
        verdicts = {row.driver: row.selftest for row in layer.selftest()}
        assert verdicts["sha256-wavers"] == verdict
        assert layer.find("sha256").driver == winner


def test_first_users_wait_for_one_test(layer: acrypto.Layer) -> None:
    """Many ask for a name that is being tested: one test runs, and all get the same."""
    engine = Slow(Offer("own", "own-slow", 1, kind="digest", shape=Shape(block=1, digest=32)))
    engine.do = lambda job, source, *_: _core.digest("sha256", source)  # type: ignore[method-assign]
    registering = threading.Thread(target=layer.register, args=(engine,))
    registering.start()
    assert engine.asked.wait(PATIENCE)
    found: list[str] = []
    asking = [threading.Thread(target=lambda: found.append(layer.find("own").driver)) for _ in range(8)]
    for thread in asking:
        thread.start()
    assert not found
    assert layer.find("sha256").driver == "sha256-awslc"  # nobody else waits
    engine.go.set()
    for thread in [registering, *asking]:
        thread.join(PATIENCE)
    assert found == ["own-slow"] * 8


def test_first_users_do_not_wait_for_ever(layer: acrypto.Layer) -> None:
    layer._registry.patience = 0.05
    engine = Slow(Offer("own", "own-slow", 1, kind="digest", shape=Shape(block=1, digest=32)))
    registering = threading.Thread(target=layer.register, args=(engine,))
    registering.start()
    assert engine.asked.wait(PATIENCE)
    with pytest.raises(acrypto.DeadlineExceeded, match="still being tested"):
        layer.find("own")
    engine.go.set()
    registering.join(PATIENCE)


def test_many_who_ask_for_a_composition_at_once_get_one(layer: acrypto.Layer) -> None:
    name = "authenc(hmac(sha256),cbc(aes))"
    start = threading.Barrier(8)
    found: list[int] = []

    def ask() -> None:
        start.wait(PATIENCE)
        found.append(layer.find(name).id)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(found) == 8
    assert len(set(found)) == 1


# ---- Leaving


def test_what_leaves_is_out_of_lookup_at_once_and_gone_when_unused(layer: acrypto.Layer) -> None:
    layer.register(Twin(sha256()))
    held = layer.transform("sha256-twin")
    with pytest.raises(acrypto.DeadlineExceeded, match="still used"):
        layer.unregister("sha256-twin", timeout=0)
    assert layer.find("sha256").driver == "sha256-awslc"
    with pytest.raises(acrypto.UnknownAlgorithm):
        layer.find("sha256-twin")
    assert bytes(held.digest(b"abc").wait(PATIENCE)) == _core.digest("sha256", b"abc")  # its users go on
    del held


def test_unregistering_waits_for_users(layer: acrypto.Layer) -> None:
    layer.register(Twin(sha256()))
    held = [layer.transform("sha256-twin")]
    leaving = threading.Thread(target=layer.unregister, args=("sha256-twin",))
    leaving.start()
    while "sha256-twin" in {row.driver for row in layer.offers()}:
        pass  # until it has left lookup; then only its user keeps the thread
    assert leaving.is_alive()
    held.clear()
    gc.collect()
    leaving.join(PATIENCE)
    assert not leaving.is_alive()


def test_a_device_leaves_with_all_its_offers_and_closes(layer: acrypto.Layer) -> None:
    engine = Twin(sha256(), Offer("sha512", "sha512-twin", 200))
    device = layer.register(engine)
    assert bytes(layer.digest("sha512", b"abc").wait(PATIENCE)) == _core.digest("sha512", b"abc")
    layer.unregister(device, timeout=PATIENCE)
    assert engine.closed.wait(PATIENCE)
    assert device not in {row.device for row in layer.offers()} | {row.name for row in layer.devices()}
    assert layer.find("sha512").driver == "sha512-awslc"
    assert layer.register(Twin(sha256())) != device  # names are not used twice


def test_who_is_not_here_cannot_leave(layer: acrypto.Layer) -> None:
    with pytest.raises(acrypto.UnknownAlgorithm, match="no driver and no device"):
        layer.unregister("nobody")


def test_users_are_counted(layer: acrypto.Layer) -> None:
    def users() -> int:
        return next(row.users for row in layer.offers() if row.driver == "gcm-aes-awslc")

    assert users() == 0
    held = [layer.transform("gcm(aes)", key=bytes(16)) for _ in range(3)]
    assert users() == 3
    layer.find("rfc4106(gcm(aes))")
    assert users() == 4
    held.clear()
    gc.collect()
    assert users() == 1


# ---- Templates


def test_compositions_are_rebuilt_over_what_is_stronger(layer: acrypto.Layer) -> None:
    """And give the same bytes over any of them."""
    name, key = "authenc(hmac(sha256),cbc(aes))", bytes([8, 0, 1, 0, 0, 0, 0, 16]) + bytes(range(48))
    before = layer.transform(name, key=key)
    assert layer.find(name).driver == "authenc(hmac-sha256-awslc,cbc-aes-awslc)"
    layer.register(Twin(Offer("cbc(aes)", "cbc-aes-twin", 300)))
    after = layer.find(name)
    assert after.driver == "authenc(hmac-sha256-awslc,cbc-aes-twin)"
    assert (after.device, after.priority, after.asynchronous) == ("template0", 3100, True)
    assert name in {row.algorithm for row in layer.offers()}
    assert len([row for row in layer.offers() if row.driver.startswith("authenc(")]) == 1
    boxes = [
        bytes(t.encrypt(bytes(16), bytes(64), b"ad").wait(PATIENCE)) for t in (before, layer.transform(name, key=key))
    ]
    assert boxes[0] == boxes[1]


def test_compositions_leave_before_their_parts(layer: acrypto.Layer) -> None:
    layer.register(Twin(Offer("cbc(aes)", "cbc-aes-twin", 300)))
    assert "twin" in layer.find("cts(cbc(aes))").driver
    layer.unregister("cbc-aes-twin", timeout=PATIENCE)
    assert layer.find("cts(cbc(aes))").driver == "cts(cbc-aes-awslc)"


def test_an_engine_that_does_it_in_one_pass_wins(layer: acrypto.Layer) -> None:
    """It is found by the plain name without any template; a stronger one also beats a composition that exists."""
    name = "hmac(blake2b)"
    assert layer.find(name).driver == "hmac(blake2b-rustcrypto)"

    class OnePass(Twin):
        def do(self, job: _core.Job, source: bytes, nonce: bytes, ad: bytes, tag: bytes) -> bytes | Exception:
            import hmac

            made = hmac.digest(job.params["key"], source, "blake2b")
            if job.operation == "mac":
                return made
            return b"" if hmac.compare_digest(made, tag) else acrypto.AuthenticationError("authentication failed")

    layer.register(OnePass(Offer(name, "hmac-blake2b-onepass", 300, kind="mac"), name="onepass"))
    assert layer.find(name).driver == "hmac-blake2b-onepass"
    tags = [
        bytes(layer.mac(driver, b"k" * 70, b"abc" * 99).wait(PATIENCE)) for driver in (name, "hmac(blake2b-rustcrypto)")
    ]
    assert tags[0] == tags[1]


@pytest.mark.parametrize("is_asked_before", [True, False])
def test_one_pass_wins_whatever_the_parts_bid_together(layer: acrypto.Layer, is_asked_before: bool) -> None:
    """An authenc of the parts bids 1100; who does it at once need not know that, nor come first."""
    name, driver = "authenc(hmac(sha256),cbc(aes))", "authenc(hmac-sha256-awslc,cbc-aes-awslc)"
    parts = acrypto.open()
    by_parts = parts.transform

    class OnePass(Twin):
        def do(self, job: _core.Job, source: bytes, nonce: bytes, ad: bytes, tag: bytes) -> bytes | Exception:
            params = dict(job.params)
            try:
                made = by_parts(name, key=params["key"], tag_len=params.get("tag_len"))
                work = made.encrypt if job.operation == "encrypt" else made.decrypt
                return bytes(work(nonce, source, ad).wait(PATIENCE))
            except acrypto.AcryptoError as error:
                return error

    with parts:
        if is_asked_before:
            assert layer.find(name).driver == driver
        layer.register(OnePass(Offer(name, "authenc-onepass", 300), name="onepass"))
        assert [row.selftest for row in layer.offers() if row.driver == "authenc-onepass"] == ["passed"]
        assert layer.find(name).driver == "authenc-onepass"
        assert layer.find(driver).driver == driver  # still there for who names it
        assert layer.find(name).driver == "authenc-onepass"


def test_wrappers_keep_the_name_and_outbid_their_part(layer: acrypto.Layer) -> None:
    row = layer.find("cryptd(gcm(aes))")
    assert (row.algorithm, row.driver, row.priority) == ("gcm(aes)", "cryptd(gcm-aes-awslc)", 150)
    assert (row.device, row.asynchronous) == ("cryptd0", True)
    assert layer.find("gcm(aes)").id == layer.find("cryptd(gcm(aes))").id == row.id
    assert layer.find("gcm(aes)", asynchronous=False).driver == "gcm-aes-awslc"
    assert next(device.max_operations for device in layer.devices() if device.name == "cryptd0") == 1000
    row = layer.find("pcrypt(rfc4106(gcm(aes)))")
    assert (row.algorithm, row.device) == ("rfc4106(gcm(aes))", "pcrypt0")
    assert row.driver == "pcrypt(rfc4106(gcm-aes-awslc))"
    assert row.priority == 200


@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("authenc(hmac(sha256),cts(cryptd(cbc(aes))))", "authenc(hmac-sha256-awslc,cts(cryptd(cbc-aes-awslc)))"),
        ("cryptd(cryptd(cryptd(sha256)))", "cryptd(cryptd(cryptd(sha256-awslc)))"),
        ("pcrypt(rfc4106(pcrypt(gcm(aes))))", "pcrypt(rfc4106(pcrypt(gcm-aes-awslc)))"),
        ("cryptd(hmac(cryptd(blake2b)))", "cryptd(hmac(cryptd(blake2b-rustcrypto)))"),
    ],
)
def test_no_host_of_compositions_waits_for_itself(layer: acrypto.Layer, name: str, driver: str) -> None:
    """Wrappers in wrappers: each passes its self-test, and many at once all end."""
    assert layer.find(name).driver == driver
    if layer.find(name).kind == "digest":
        transform = layer.transform(name)
        operations = [transform.digest(bytes([number])) for number in range(200)]
        assert [bytes(o.wait(PATIENCE)) for o in operations] == [_core.digest("sha256", bytes([n])) for n in range(200)]


def test_wrappers_are_parts_only_where_they_are_named(layer: acrypto.Layer) -> None:
    before = layer.find("rfc4106(gcm(aes))").id
    layer.find("cryptd(gcm(aes))")
    assert layer.find("rfc4106(gcm(aes))").id == before
    assert layer.find("rfc4106(cryptd(gcm(aes)))").driver == "rfc4106(cryptd(gcm-aes-awslc))"


def test_compositions_may_name_drivers(layer: acrypto.Layer) -> None:
    layer.register(Twin(Offer("cbc(aes)", "cbc-aes-twin", 300)))
    row = layer.find("authenc(hmac(sha256),cbc-aes-awslc)")
    assert row.driver == "authenc(hmac-sha256-awslc,cbc-aes-awslc)"
    assert row.algorithm == "authenc(hmac(sha256),cbc(aes))"
    assert layer.find("authenc(hmac(sha256),cbc-aes-awslc)").id == row.id


def test_what_is_made_of_the_insecure_is_insecure(layer: acrypto.Layer) -> None:
    assert layer.find("cts(cbc(des3_ede))").insecure
    with pytest.raises(acrypto.UsageError, match="allow_insecure"):
        layer.transform("cts(cbc(des3_ede))", key=bytes(range(24)))


def test_a_composition_whose_part_lies_fails_its_own_test(layer: acrypto.Layer) -> None:
    """Proven again: parts that pass alone may not fit together."""

    class HalfLiar(Twin):
        seen = 0

        def do(self, job: _core.Job, source: bytes, nonce: bytes, ad: bytes, tag: bytes) -> bytes | Exception:
            return (Liar if HalfLiar.seen else Twin).do(self, job, source, nonce, ad, tag)

    layer.register(HalfLiar(Offer("cbc(aes)", "cbc-aes-half", 300), name="half"))
    HalfLiar.seen = 1
    with pytest.raises(acrypto.NoEngine, match="failed its self-test"):
        layer.transform("cts(cbc(aes))", key=bytes(16))
