"""The engine over Intel's analytics accelerator: how it comes to its queues, and what the layer sees when they go."""

from __future__ import annotations

import errno
import os
import signal
import zlib
from collections.abc import Callable, Iterator

import pytest
from tests.idxd.test_doctor import Machine, machine

import acrypto
from acrypto import _core, idxd
from acrypto.engines import iaa as module
from acrypto.engines.catalogue import default_engines
from acrypto.engines.iaa import MODES, Iaa, open_queue
from acrypto.model.offers import Absent

__all__ = ["machine"]

PAGE = bytes(range(256)) * 16
PARTS = (1, 2, 4, 8, 16, 32, 64)
#: Driver: algorithm and bid.
OFFERS = {
    "deflate-iaa": ("deflate", 300),
    "deflate-iaa-dynamic": ("deflate", 301),
    "deflate-iaa-canned": ("deflate-canned", 300),
    **{f"deflate-iaa-canned-by_{num}": (f"deflate-canned-by_{num}", 300) for num in PARTS},
}
QUEUE = {"mode": "dedicated", "type": "kernel", "name": "iaa_crypto", "priority": "10"}


def made_bus(number: int = 1) -> idxd.Bus:
    """A soft device as the kernel configures one by itself."""
    bus = idxd.Bus()
    bus.add_device(f"iax{number}")
    idxd.configure_defaults(bus, f"iax{number}")
    bus.enable(f"iax{number}")
    return bus


@pytest.fixture
def bus() -> Iterator[idxd.Bus]:
    made = made_bus()
    yield made
    made.close()


def bind(bus: idxd.Bus, queue: str = "wq1.0") -> None:
    """Again, after it was unbound: which forgets how it was configured."""
    for name, value in QUEUE.items():
        bus.write(f"devices/{queue}/{name}", value)
    bus.write("drivers/crypto/bind", queue)


def unbind(bus: idxd.Bus, queue: str = "wq1.0") -> None:
    bus.write("drivers/crypto/unbind", queue)


def offered(layer: acrypto.Layer) -> dict[str, tuple[str, int]]:
    return {row.driver: (row.algorithm, row.priority) for row in layer.offers() if row.device.startswith("iaa")}


def packed_by(layer: acrypto.Layer, name: str) -> str:
    """The device that compresses a page for that name, after whoever reads deflate has read it."""
    operation = layer.transform(name).compress(PAGE)
    assert zlib.decompress(operation.wait(10), -15) == PAGE
    assert operation.completion is not None
    return operation.completion.device


# ---- Opening


def test_by_name_it_opens_on_soft_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no real queue, those of the configuration; here the default one."""
    monkeypatch.setattr(module, "DEVICES", "/nowhere")
    with acrypto.open(["iaa", "software"]) as layer:
        assert offered(layer) == OFFERS
        assert all(row.selftest == "passed" for row in layer.offers())
        assert packed_by(layer, "deflate-iaa") == "iaa0"
        assert layer.find("deflate").driver == "deflate-iaa-dynamic"
        assert layer.find("deflate-canned").driver == "deflate-iaa-canned"


@pytest.mark.skipif(os.path.isdir(module.DEVICES), reason="this machine has real queues")
def test_without_hardware_nobody_gets_it_unasked() -> None:
    assert not Iaa.by_default
    assert not [engine for engine in default_engines() if isinstance(engine, Iaa)]
    with acrypto.open() as layer:
        assert not offered(layer)


def test_it_is_absent_until_the_first_queue_is_bound() -> None:
    bus = idxd.Bus()
    bus.add_device("iax1")
    engine = Iaa(bus=bus)
    absent = engine.probe()
    assert isinstance(absent, Absent)
    assert "no work queue is bound" in absent.reason
    with pytest.raises(acrypto.NoEngine, match="no work queue is bound"):
        acrypto.open([engine])
    idxd.configure_defaults(bus, "iax1")
    bus.enable("iax1")
    bus.write("drivers/crypto/bind", "wq1.0")
    assert engine.probe() is None
    with acrypto.open([engine, "software"]) as layer:
        assert offered(layer) == OFFERS


def test_a_device_without_tables_of_its_own_has_no_dynamic_mode() -> None:
    bus = idxd.Bus()
    bus.add_device("iax1", idxd.Capabilities(iaa_cap=0))
    idxd.configure_defaults(bus, "iax1")
    bus.enable("iax1")
    with acrypto.open([Iaa(bus=bus), "software"]) as layer:
        assert offered(layer).keys() == OFFERS.keys() - {"deflate-iaa-dynamic"}
        assert layer.find("deflate").driver == "deflate-iaa"


def test_a_configuration_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEVICES", "/nowhere")
    monkeypatch.setenv("ACRYPTO_IDXD_CONFIG", "/nowhere/idxd.json")
    absent = Iaa().probe()
    assert absent is not None
    assert "/nowhere/idxd.json" in absent.reason


def test_there_are_three_modes() -> None:
    with pytest.raises(acrypto.UsageError, match="sync_mode is 'fast'; it must be one of sync, async, async_irq"):
        Iaa(sync_mode="fast")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("verify", [True, False])
def test_each_mode_does_the_same(bus: idxd.Bus, mode: str, verify: bool) -> None:
    engine = Iaa(bus=bus, sync_mode=mode, verify_compress=verify)
    with acrypto.open([engine, "software"]) as layer:
        assert bus.read("drivers/crypto/sync_mode") == mode
        assert bus.read("drivers/crypto/verify_compress") == str(int(verify))
        for name in ("deflate-iaa", "deflate-iaa-dynamic"):
            assert packed_by(layer, name) == "iaa0"
        transform = layer.transform("deflate-iaa")
        for packed in transform.compress_many([PAGE] * 20).wait(10):
            assert zlib.decompress(packed, -15) == PAGE
        assert transform.decompress(transform.compress(PAGE).wait(10)).wait(10) == PAGE


def test_settings_are_locked_while_a_queue_is_bound(bus: idxd.Bus) -> None:
    with acrypto.open([Iaa(bus=bus), "software"]):
        for name, value in {"sync_mode": "async", "verify_compress": "0"}.items():
            with pytest.raises(idxd.BusError) as refused:
                bus.write(f"drivers/crypto/{name}", value)
            assert refused.value.errno == errno.EBUSY
        unbind(bus)
        bus.write("drivers/crypto/sync_mode", "async")
        with pytest.raises(idxd.BusError) as refused:
            bus.write("drivers/crypto/sync_mode", "fast")
        assert refused.value.errno == errno.EINVAL


# ---- Queues go and come


@pytest.mark.parametrize("mode", MODES)
def test_without_a_queue_work_goes_elsewhere_and_offers_stay(bus: idxd.Bus, mode: str) -> None:
    engine = Iaa(bus=bus, sync_mode=mode)
    with acrypto.open([engine, "software"]) as layer:
        by_any, by_it = layer.transform("deflate"), layer.transform("deflate-iaa")
        assert packed_by(layer, "deflate") == "iaa0"
        unbind(bus)
        assert not engine.driver.enabled
        assert engine.health() == "no work queue is enabled"
        assert offered(layer) == OFFERS
        operation = by_any.compress(PAGE)
        assert zlib.decompress(operation.wait(10), -15) == PAGE
        assert operation.completion is not None
        assert operation.completion.device == "software0"
        with pytest.raises(acrypto.EngineError, match="no work queue is enabled"):
            by_it.compress(PAGE).wait(10)
        bind(bus)
        assert engine.health() is None
        assert zlib.decompress(by_it.compress(PAGE).wait(10), -15) == PAGE


def test_closing_gives_the_queues_back(bus: idxd.Bus) -> None:
    engine = Iaa(bus=bus)
    with acrypto.open([engine, "software"]) as layer:
        packed_by(layer, "deflate-iaa")
        assert bus.driver("wq1.0") == "crypto"
    assert bus.driver("wq1.0") is None
    assert bus.queue("wq1.0").native is None
    assert "crypto" not in bus.list("drivers")
    absent = engine.probe()
    assert absent is not None
    assert "was closed" in absent.reason


def test_a_device_that_is_removed_gives_its_queues_back(bus: idxd.Bus) -> None:
    with acrypto.open([Iaa(bus=bus), "software"]) as layer:
        layer.remove_device("iaa0")
        assert bus.driver("wq1.0") is None
        assert packed_by(layer, "deflate") == "software0"


def test_two_layers_have_a_bus_each() -> None:
    """What happens to one of them is nothing to the other."""
    one, two = made_bus(), made_bus()
    with (
        acrypto.open([Iaa(bus=one), "software"]) as first,
        acrypto.open([Iaa(bus=two, sync_mode="async"), "software"]) as second,
    ):
        assert {packed_by(layer, "deflate-iaa") for layer in (first, second)} == {"iaa0"}
        unbind(one)
        with pytest.raises(acrypto.EngineError):
            packed_by(first, "deflate-iaa")
        assert packed_by(second, "deflate-iaa") == "iaa0"


def test_two_engines_cannot_be_the_driver_of_one_bus(bus: idxd.Bus) -> None:
    with acrypto.open([Iaa(bus=bus), "software"]):
        absent = Iaa(bus=bus).probe()
        assert absent is not None
        assert "crypto" in absent.reason


# ---- Real queues, with soft ones standing for them


@pytest.fixture
def soft() -> Iterator[_core.IdxdQueue]:
    device = _core.IdxdDevice()
    device.enable()
    yield device.enable_queue(0)
    device.reset()


def stand_in(monkeypatch: pytest.MonkeyPatch, found: Machine, opened: Callable[[object], _core.IdxdQueue]) -> None:
    monkeypatch.setattr(module, "DEVICES", str(found.root / "dev/iax"))
    discovered = found.discover()
    monkeypatch.setattr(idxd, "discover", lambda: discovered)
    monkeypatch.setattr(module, "open_queue", opened)


def test_real_queues_are_bound_if_there_are_any(
    machine: Machine, soft: _core.IdxdQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And given back when the layer closes: a dedicated one has one owner."""
    stand_in(monkeypatch, machine, lambda _queue: soft)
    engine = Iaa()
    with acrypto.open([engine, "software"]) as layer:
        assert engine.bus is None
        assert packed_by(layer, "deflate-iaa") == "iaa0"
        assert [queue for queue, *_ in engine.driver.in_flight()] == [(1, 0)]
    assert engine.driver.in_flight() == []


def test_a_real_queue_that_refuses_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_queue: object) -> _core.IdxdQueue:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    stand_in(monkeypatch, machine, refuse)
    absent = Iaa().probe()
    assert absent is not None
    assert "wq1.0 (Device or resource busy)" in absent.reason


def test_a_file_is_no_work_queue(machine: Machine) -> None:
    (queue,) = machine.discover().queues
    with pytest.raises(OSError):
        open_queue(queue)


# ---- Forked children


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
@pytest.mark.parametrize("mode", MODES)
def test_a_forked_child_is_refused_and_may_have_its_own(bus: idxd.Bus, mode: str) -> None:
    engine = Iaa(bus=bus, sync_mode=mode)

    def child() -> None:
        with pytest.raises(acrypto.ClosedError):
            layer.transform("deflate-iaa")
        room = bytearray(8192)
        request = engine.driver.tfm("deflate-iaa").request(PAGE, room, compress=True)
        told = request.submit()
        while told in (-errno.EINPROGRESS, -errno.EAGAIN):
            told = request.poll()
        assert told == -errno.ENODEV
        with acrypto.open([Iaa(bus=made_bus(), sync_mode=mode), "software"]) as own:
            assert packed_by(own, "deflate-iaa") == "iaa0"

    with acrypto.open([engine, "software"]) as layer:
        packed_by(layer, "deflate-iaa")
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)
            try:
                child()
            except BaseException:
                import traceback

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert packed_by(layer, "deflate-iaa") == "iaa0"
