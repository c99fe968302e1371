"""A large file through several stages in one pass, while the event loop goes on and shows how far it is."""

import asyncio
import tempfile
from pathlib import Path

import acrypto
from acrypto.streams import Compress, Decompress, Digest, Pipeline


async def main(source: Path, packed: Path, back: Path) -> None:
    async with acrypto.open() as layer:
        running = Pipeline(layer, source, [Digest("sha256"), Compress("zstd"), Digest("sha256")], packed).run()
        async for progress in running:  # now and then, and once at the end
            print(f"{progress.bytes_in} of {progress.total} bytes read, {progress.ratio:.1%} of that written")
        result = await running
        for digest in result.digests:
            print(f"{digest.algorithm} behind stage {digest.stage}: {digest.value.hex()[:16]}...")

        again = await Pipeline(layer, packed, [Decompress(), Digest("sha256")], back).run()
        assert again.digests[0].value == result.digests[0].value


async def refused(damaged: Path, back: Path) -> None:
    async with acrypto.open() as layer:
        try:
            await Pipeline(layer, damaged, [Decompress()], back).run()
        except acrypto.CorruptInput as error:
            print("damaged:", error)


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    source, packed, back = folder / "log", folder / "log.zst", folder / "back"
    source.write_bytes(b"".join(b"line %d: nothing happened\n" % number for number in range(200_000)))
    asyncio.run(main(source, packed, back))
    assert back.read_bytes() == source.read_bytes()

    # A result appears under its name when it is whole: after an error there is none.
    data = bytearray(packed.read_bytes())
    data[len(data) // 2] ^= 1
    packed.write_bytes(data)
    back.unlink()
    asyncio.run(refused(packed, back))
    assert not back.exists()
