"""Digests of many files, several at a time; one that cannot be read stops no other."""

import asyncio
import hashlib
import tempfile
from pathlib import Path

import acrypto


async def main(paths: list[Path]) -> None:
    async with acrypto.hash_files(paths, "sha256") as run:
        async for file in run:  # in the order of the paths
            if file.error is not None:
                print("failed:", file.error.strerror)
            elif file.path == paths[7]:
                print(f"{file.digest.hex()}  {file.path.name}")
        print(run.progress)


with tempfile.TemporaryDirectory() as name:
    paths = [Path(name) / f"file {number}" for number in range(100)]
    for number, path in enumerate(paths[:-1]):  # the last one is missing
        path.write_bytes(b"%d " % number * 10_000)
    asyncio.run(main(paths))

    # One file, in a thread; a large one has all cores if its digest is BLAKE3.
    assert acrypto.hash_file(paths[7]).wait() == hashlib.sha256(paths[7].read_bytes()).digest()
