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
            job.complete([self.do(job, source) for source, nonce, ad, tag in job.units])
        return len(burst)

    def do(self, job, source):
        if job.operation == "compress":
            return zlib.compress(source)
        inflate = zlib.decompressobj()
        try:
            plain = inflate.decompress(source, job.max_output + 1)
        except zlib.error as error:
            return acrypto.CorruptInput(str(error))
        if len(plain) > job.max_output:
            return acrypto.LimitExceeded(f"more than {job.max_output} bytes", job.max_output)
        if not inflate.eof or inflate.unused_data:
            return acrypto.CorruptInput("cut short, or followed by something else")
        return plain  # short of any of these checks, the self-test would keep the engine from being offered


async def main() -> None:
    async with acrypto.open([Stdlib(), "software"]) as layer:
        text = b"who compresses this? " * 1000
        bound = layer.compress("zlib", text, device="stdlib0")
        packed = await bound
        print(bound.completion)
        assert await layer.decompress("zlib", packed) == text  # by the highest priority: software


asyncio.run(main())
