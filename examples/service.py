"""An asyncio service compresses, encrypts and hashes without stalling its loop."""

import asyncio
import os

import acrypto


async def main() -> None:
    document = b"a document that somebody uploads\n" * 200_000
    async with acrypto.open() as layer:
        aead = layer.transform("gcm(aes)", key=os.urandom(32))

        packed = await layer.compress("zstd", document, level=3)
        nonce = os.urandom(12)
        box = await aead.encrypt(nonce, packed, b"document 17")
        operation = layer.digest("sha256", box)
        digest = await operation

        print(f"{len(document)} bytes, {len(packed)} packed, sha256 {digest.hex()[:16]}...")
        print(operation.completion)

        opened = await aead.decrypt(nonce, box, b"document 17")
        assert await layer.decompress("zstd", opened) == document


asyncio.run(main())
