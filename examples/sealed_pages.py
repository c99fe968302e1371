"""Pages sealed and digested as batches: one buffer in, one buffer out, a nonce for each page."""

import asyncio
import hashlib
import os

import acrypto

PAGE, COUNT, TAG, NONCE = 4096, 64, 16, 12


async def main() -> None:
    memory = os.urandom(COUNT * PAGE)
    async with acrypto.open() as layer:
        aead = layer.transform("gcm(aes)", key=os.urandom(32))

        # Text and tag of each page, one behind the other. Nonces may be one buffer, too; each must be another.
        nonces = b"".join(number.to_bytes(NONCE, "big") for number in range(COUNT))
        stored = bytearray(COUNT * (PAGE + TAG))
        sealed = await aead.encrypt_many(nonces, memory, unit=PAGE, into=stored)
        print(sealed)

        # Who damages a page loses that page and no other.
        stored[5 * (PAGE + TAG)] ^= 1
        back = bytearray(COUNT * PAGE)
        opened = await aead.decrypt_many(nonces, stored, unit=PAGE + TAG, into=back, return_exceptions=True)
        print(f"page 5: {opened.errors[5]!r}; {COUNT - len(opened.errors)} others came back")
        assert opened[6] == memory[6 * PAGE : 7 * PAGE]

        # Digests as a table: 32 bytes a page.
        digests = await layer.transform("sha256").digest_many(memory, unit=PAGE, packed=True)
        assert digests[7] == hashlib.sha256(memory[7 * PAGE : 8 * PAGE]).digest()
        print(f"{digests.nbytes} bytes of digests")


asyncio.run(main())
