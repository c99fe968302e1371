"""A soft device with memory: what the tests of the model share."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from acrypto._core import IdxdMapping, IdxdQueue
from acrypto.idxd.descriptor import CompletionRecord, Descriptor, Flag, Opcode
from acrypto.idxd.device import SoftDevice

TOLD = Flag.CRAV | Flag.RCR


@dataclass
class Place:
    """Memory that is mapped through one queue."""

    memory: mmap.mmap
    mapping: IdxdMapping
    queue: IdxdQueue

    @property
    def address(self) -> int:
        return self.mapping.address

    def record(self, index: int = 0) -> CompletionRecord:
        return CompletionRecord.unpack(self.memory[index * 64 : index * 64 + 64])

    def status(self, index: int = 0) -> int:
        return self.memory[index * 64]

    def told(self, descriptor: Descriptor, index: int = 0) -> Descriptor:
        """The same, with a record of this memory."""
        return replace(descriptor, flags=descriptor.flags | TOLD, completion_addr=self.address + 64 * index)

    def noop(self, index: int = 0) -> bytes:
        return self.told(Descriptor(opcode=Opcode.NOOP), index).pack()


@dataclass
class Rig:
    """A device without a thread of its own: only `run` does anything."""

    device: SoftDevice
    stack: ExitStack

    def queue(self, index: int = 0, **settings: Any) -> tuple[IdxdQueue, Place]:
        queue = self.device.enable_queue(index, **settings)
        return queue, self.place(queue)

    def place(self, queue: IdxdQueue, nbytes: int = 8192, content: bytes = b"") -> Place:
        memory = mmap.mmap(-1, nbytes)
        memory[: len(content)] = content
        return Place(memory, self.stack.enter_context(queue.map(memory, writable=True)), queue)


@contextmanager
def rig(**capabilities: Any) -> Iterator[Rig]:
    with ExitStack() as stack, SoftDevice(**{"threads": 0, "engines": 2, **capabilities}) as device:
        device.enable()
        yield Rig(device, stack)


def run(queue: IdxdQueue) -> int:
    """Does what is to be done; how much it was."""
    done = 0
    while queue.help():
        done += 1
    return done


def copying(source: Place, target: Place, nbytes: int) -> Descriptor:
    return Descriptor(
        opcode=Opcode.MEMMOVE,
        src1_addr=source.address,
        src1_size=nbytes,
        dst_addr=target.address,
        max_dst_size=nbytes,
    )
