"""Compress, encrypt and seal as one request, and undo it the same way."""

import asyncio
import os

import acrypto


async def main() -> None:
    async with acrypto.open() as layer:
        press = layer.transform("zstd", level=3)
        lock = layer.transform("gcm(aes)", key=os.urandom(32))
        seal = layer.transform("hmac(sha256)", key=os.urandom(32))
        note = layer.transform("sha256")
        route = layer.route(note, press, lock, seal)

        record = b"who did what, and when; " * 40_000
        nonce = os.urandom(12)
        operation = route.run(record, nonce=nonce, ad=b"record 1")
        sealed = await operation
        print(f"{len(record)} bytes became {len(sealed)}")
        for stage in operation.completion.stages:
            print(f"  {stage.algorithm:14} on {stage.device}: {stage.run_ns / 1e3:.0f} us")
        assert dict(operation.completion.digests)["sha256"] == acrypto.sha256(record)

        assert await route.reverse().run(sealed, nonce=nonce, ad=b"record 1") == record

        # Whoever changed a byte is found out before anything is decrypted or decompressed.
        damaged = bytearray(sealed)
        damaged[100] ^= 1
        try:
            await route.reverse().run(damaged, nonce=nonce, ad=b"record 1")
        except acrypto.AuthenticationError as error:
            print("damaged:", error)


asyncio.run(main())
