"""A stage of one's own between two others: it counts lines and passes everything on."""

import io

import acrypto
from acrypto.streams import Compress, Decompress, Pipeline


class Lines:
    """Counts line feeds. A stage holds parameters only; what belongs to a run goes into `work`."""

    name = "count lines"
    piece = 1 << 20  # bytes; the size that it likes best

    def pieces(self, work, upstream):
        lines = 0
        for piece in upstream:
            if piece is not None:  # None: nothing at the moment; it is passed on like anything else
                lines += bytes(piece).count(b"\n")
            yield piece
        work.digests.append(("lines", lines.to_bytes(8, "big")))  # so it is found in the result


class Upper:
    """Makes capitals: by a generator of pieces, in their order."""

    name = "upper"
    piece = 1 << 20

    def pieces(self, work, upstream):
        for piece in upstream:
            yield None if piece is None else bytes(piece).upper()


packed = acrypto.compress("gzip", b"one\ntwo\nthree\n" * 100_000)
out = io.BytesIO()
with acrypto.open() as layer:
    result = Pipeline(layer, packed, [Decompress(), Lines(), Upper(), Compress("zstd")], out).run().wait()

assert int.from_bytes(result.digests[0].value, "big") == 300_000
assert bytes(acrypto.decompress("zstd", out.getvalue())).startswith(b"ONE\nTWO\n")
for stage in result.stages:
    print(f"{stage.name}: {stage.bytes_in} bytes in, {stage.bytes_out} out")
