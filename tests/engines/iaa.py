"""The IAA driver over soft devices, with single requests that answer as the kernel's do."""

from __future__ import annotations

import contextlib
import errno
import random
from collections.abc import Iterator
from typing import Any

from acrypto._core import IaaDriver, IaaRequest, IaaTfm
from acrypto.engines.iaa import Iaa
from acrypto.idxd import Bus
from acrypto.idxd.backing import Model
from acrypto.idxd.device import SoftDevice

TEXT = b"Join us now and share the software " * 2
PAGE = b"".join(b"%d: Join us now and share the software; " % n for n in range(120))[:4096]
#: A page that no compressor makes smaller.
NOISE = random.Random(7).randbytes(4096)


class Rig:
    """A driver, and devices whose queues are bound to it."""

    def __init__(self, driver: IaaDriver, devices: list[SoftDevice]) -> None:
        self.driver = driver
        self.devices = devices

    @property
    def device(self) -> SoftDevice:
        """The only device, or the first."""
        return self.devices[0]

    def total(self, name: str) -> int:
        """One of the statistics, without `total_`."""
        return dict(self.driver.totals())[f"total_{name}"]

    def unbind_all(self) -> None:
        """Takes all queues away, and gives them back to the devices."""
        for (device, queue), _in_flight, _free in self.driver.in_flight():
            self.driver.unbind(device, queue)

    def bind(self, device: SoftDevice, index: int, **settings: Any) -> None:
        """Enables a queue and binds it."""
        self.driver.bind(device.enable_queue(index, **({"size": 16} | settings)))


@contextlib.contextmanager
def rig(
    num: int = 1,
    *,
    sync_mode: str = "sync",
    verify: bool = True,
    queues: int = 1,
    driver: IaaDriver | None = None,
    threads: int = 1,
    **settings: Any,
) -> Iterator[Rig]:
    """So many devices (iax1, iax3 ...) with so many queues each, all bound to one driver."""
    driver = driver or IaaDriver()
    driver.set_sync_mode(sync_mode)
    driver.set_verify_compress(verify)
    with contextlib.ExitStack() as stack:
        devices = [
            stack.enter_context(SoftDevice(f"iax{2 * n + 1}", 2 * n + 1, threads=threads)) for n in range(num)
        ]  # fmt: skip
        made = Rig(driver, devices)
        for device in devices:
            device.enable()
            for index in range(queues):
                made.bind(device, index, **settings)
        yield made
        made.unbind_all()


def finish(request: IaaRequest, err: int | None = None, polls: int = 1_000_000) -> int:
    """Polls a request to its end."""
    err = request.submit() if err is None else err
    if err == -errno.EINPROGRESS:
        for _ in range(polls):
            err = request.poll()
            if err != -errno.EAGAIN:
                break
    return err


def run(tfm: IaaTfm, src: bytes | bytearray, room: int, *, compress: bool = True) -> tuple[int, bytes]:
    """One request into so many bytes: how it ended, and its result."""
    dst = bytearray(room)
    request = tfm.request(src, dst, compress=compress)
    err = finish(request)
    return err, bytes(dst[: request.dlen]) if err == 0 else b""


def compressed(tfm: IaaTfm, src: bytes, room: int | None = None) -> bytes:
    """What it compresses to."""
    err, packed = run(tfm, src, 2 * len(src) + 512 if room is None else room)
    assert err == 0
    return packed


def decompressed(tfm: IaaTfm, src: bytes, room: int) -> bytes:
    """What it decompresses to."""
    err, plain = run(tfm, src, room, compress=False)
    assert err == 0
    return plain


class Bits:
    """Bits in deflate's order."""

    def __init__(self) -> None:
        self.value = self.count = 0

    def put(self, value: int, count: int) -> None:
        self.value |= value << self.count
        self.count += count

    def put_code(self, code: int, count: int) -> None:
        """A Huffman code: its first bit first."""
        self.put(int(f"{code:0{count}b}"[::-1], 2), count)


def soft_bus(num: int = 1, **settings: object) -> tuple[Bus, dict[str, Model]]:
    """A bus of soft devices, configured and enabled, with their queues for the driver crypto; and the models."""
    models: dict[str, Model] = {}

    def made(device: Any) -> Model:
        models[device.name] = Model(device)
        return models[device.name]

    bus = Bus(made)
    for number in range(1, 2 * num, 2):
        bus.add_device(f"iax{number}")
        given: dict[str, object] = {
            "mode": "dedicated", "type": "kernel", "size": 16, "group_id": 0, "priority": 10,
            "name": "iaa_crypto", "driver_name": "crypto",
        }  # fmt: skip
        for name, value in (given | settings).items():
            bus.write(f"devices/wq{number}.0/{name}", f"{value}")
        bus.write(f"devices/engine{number}.0/group_id", "0")
        bus.enable(f"iax{number}")
    return bus, models


@contextlib.contextmanager
def engine(num: int = 1, **settings: Any) -> Iterator[tuple[Iaa, Bus, dict[str, Model]]]:
    """The engine as the driver of a bus, with so many queues."""
    bus, models = soft_bus(num)
    iaa = Iaa(bus=bus, **settings)
    iaa.probe()
    for number in range(1, 2 * num, 2):
        if bus.driver(f"wq{number}.0") is None:
            bus.enable(f"wq{number}.0")
    try:
        yield iaa, bus, models
    finally:
        iaa.close()
        bus.close()
