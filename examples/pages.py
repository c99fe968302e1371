"""Pages into one piece of memory and back, as a compressed page store does it; numpy arrays are used as they lie."""

import array
import asyncio
import random

import acrypto

PAGE, COUNT = 4096, 64


async def main() -> None:
    memory = bytearray(b"".join(b"page %d has some text in it. " % number * 200 for number in range(COUNT)))
    memory = memory[: COUNT * PAGE]
    memory[3 * PAGE : 4 * PAGE] = random.Random(1).randbytes(PAGE)  # one that does not become smaller

    async with acrypto.open() as layer:
        deflate = layer.transform("deflate", strategy="fixed")

        # A slot for each page. What does not fit its slot is an error of that page alone.
        slots = bytearray(COUNT * PAGE)
        batch = await deflate.compress_many(memory, unit=PAGE, into=slots, return_exceptions=True)
        print(f"{batch}; page 3: {batch.lengths[3]}, {batch.errors[3]!r}")

        # One after the other, in the layer's own memory: what a store would keep.
        packed = await deflate.compress_many(memory, unit=PAGE, packed=True)
        lengths = array.array("H", packed.lengths.tolist())
        kept = bytes(packed.buffer)
        print(f"{len(memory)} bytes became {len(kept)}")

        # Back, from the bytes and their lengths, into memory of ours.
        back = bytearray(len(memory))
        await deflate.decompress_many(kept, lengths=lengths, unit=PAGE, into=back)
        assert back == memory

        try:
            import numpy as np
        except ImportError:
            return
        pages = np.frombuffer(memory, dtype=np.uint8).reshape(COUNT, PAGE)
        out = np.empty_like(pages)
        batch = await deflate.compress_many(pages, unit=PAGE, into=out, return_exceptions=True)
        sizes = np.asarray(batch.lengths)  # the batch's own numbers, not copied
        print(f"{sizes[sizes >= 0].mean():.0f} bytes a page; {np.count_nonzero(sizes < 0)} did not fit")


asyncio.run(main())
