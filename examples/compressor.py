"""A compressor of your own in Python, to register with a running layer or to publish by an entry point."""

import lzma

import acrypto
from acrypto.engines.base import Engine
from acrypto.model.offers import Offer


class Xz(Engine):
    name, version = "xz", "1"  # a version, so that its self-test need not be repeated each time
    by_default = True  # acrypto.open() takes it once an entry point publishes it

    def offers(self):
        return [Offer("xz", "xz-lzma", 50, kind="compression")]

    def submit(self, burst):
        for job in burst:
            job.complete([self.work(job, source) for source, *_ in job.units])
        return len(burst)

    def work(self, job, source):
        try:
            if job.operation == "compress":
                return lzma.compress(source, preset=job.params.get("level"))
            stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=1 << 28)  # a header may ask for 4 GiB
            data = stream.decompress(source, job.max_output + 1)
        except (lzma.LZMAError, OverflowError) as error:
            return acrypto.UsageError(str(error)) if job.operation == "compress" else acrypto.CorruptInput(str(error))
        whole = stream.eof and not stream.unused_data
        return data if whole or len(data) > job.max_output else acrypto.CorruptInput("truncated, or with a tail")


if __name__ == "__main__":
    with acrypto.open() as layer:
        layer.register(Xz())  # proven before anybody can use it
        packed = layer.compress("xz", b"small enough? " * 1000, level=9).wait()
        assert lzma.decompress(packed) == layer.decompress("xz", packed).wait()
