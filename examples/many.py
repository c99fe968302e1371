"""Many small messages in one submission: one wake-up for all of them."""

import asyncio
import hashlib

import acrypto


async def main() -> None:
    messages = [f"message {number}".encode() for number in range(1000)]
    async with acrypto.open() as layer:
        digests = await layer.transform("sha256").digest_many(messages)
        assert digests == [hashlib.sha256(message).digest() for message in messages]

        # One buffer cut into pages, as a compressed page store does. A bad unit is an exception in its place.
        memory = bytes(range(256)) * 16 * 64
        deflate = layer.transform("deflate", strategy="fixed")
        pages = await deflate.compress_many(memory, unit=4096)
        pages[3] = b"damaged"
        back = await deflate.decompress_many(pages, return_exceptions=True)
        print(f"{len(pages)} pages; page 3: {back[3]!r}; page 4: {len(back[4])} bytes")


asyncio.run(main())
