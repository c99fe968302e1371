"""A balancer of your own, in Python: each process has its device, except that small work stays on the first one."""

import multiprocessing
import os

import acrypto
from acrypto.balancers.base import Balancer
from acrypto.engines.software import Software


class PlaceByProcess(Balancer):
    """What this process submits goes to one device: its number modulo how many devices there are."""

    name = "place_by_process"

    def find_device(self, request, devices):
        if request.nbytes < 1024:
            return 0  # a place in the list; the strongest offer stands first
        ordered = sorted(devices, key=lambda device: device.number)
        return ordered[os.getpid() % len(ordered)].name

    def rehash(self, event):
        return event == "broke"  # a newcomer gets nothing of what is queued already


def work(number: int) -> tuple[str, str]:
    with acrypto.open([Software(), Software()], settings=acrypto.Settings(workers=1)) as layer:
        layer.add_balancer(PlaceByProcess())
        layer.set_balancer("place_by_process")
        placed = []
        for nbytes in (64, 1 << 20):
            operation = layer.digest("sha256", bytes(nbytes))
            operation.wait()
            placed.append(operation.completion.device)
        if number == 0:
            print("balancers:", *layer.balancers())
        assert placed[1] == f"software{os.getpid() % 2}"
        return tuple(placed)


if __name__ == "__main__":
    print("small, large:", work(0))
    with multiprocessing.get_context("spawn").Pool(2) as processes:
        print("in others:   ", processes.map(work, [1, 2]))
