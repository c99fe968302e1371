"""The standard library's `gzip` by another import: here under `tarfile`, which knows nothing of it."""

import gzip as standard
import io
import tarfile
import tempfile

from acrypto import gzip

with tempfile.TemporaryFile() as packed:
    with gzip.open(packed, "wb", compresslevel=1) as stream, tarfile.open(fileobj=stream, mode="w|") as archive:
        for number in range(100):
            text = f"file {number}\n".encode() * 5_000
            member = tarfile.TarInfo(f"{number}.txt")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))

    size = packed.tell()
    for module in (gzip, standard):  # what one writes, the other one reads
        packed.seek(0)
        with module.open(packed) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            names = [member.name for member in archive]
        assert names == [f"{number}.txt" for number in range(100)]
    print(f"{len(names)} files in {size} bytes")
