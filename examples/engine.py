"""An engine of your own, written in Python, opened like any other."""

import asyncio
import zlib

import acrypto
from acrypto.engines.base import Engine
from acrypto.model.offers import Offer


class Stdlib(Engine):
    """Deflate by the standard library's zlib."""

    name = "stdlib"

    def offers(self):
        return [Offer("zlib", "zlib-stdlib", 50)]

    def submit(self, burst):
        for job in burst:
            work = zlib.compress if job.operation == "compress" else zlib.decompress
            job.complete([work(source) for source, nonce, ad, tag in job.units])
        return len(burst)


async def main() -> None:
    async with acrypto.open([Stdlib(), "software"]) as layer:
        text = b"who compresses this? " * 1000
        bound = layer.compress("zlib", text, device="stdlib0")
        packed = await bound
        print(bound.completion)
        assert await layer.decompress("zlib", packed) == text  # by the highest priority: software


asyncio.run(main())
