"""Lines in the middle of a compressed file, without what lies before them."""

import os
import tempfile

import acrypto

ROW = len(b"000000,row 000000\n")

with tempfile.TemporaryDirectory() as folder:
    for name in ("table.csv.bgz", "table.csv.zst", "table.csv.gz"):  # the name tells the format
        path = os.path.join(folder, name)
        with acrypto.open_file(path, "wt", encoding="ascii") as file:
            for number in range(100_000):
                file.write(f"{number:06},row {number:06}\n")

        with acrypto.open_file(path) as file:
            assert file.is_indexed  # as acrypto writes it; gzip files of others are read from their start again
            file.seek(-ROW, os.SEEK_END)
            last = file.readline()
            middle = file.pread(ROW * 50_000, ROW)  # leaves the position alone; any thread may do so
        assert (last, middle) == (b"099999,row 099999\n", b"050000,row 050000\n")
        print(f"{name}: {middle!r} in the middle of {os.path.getsize(path)} bytes")
