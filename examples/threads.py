"""The same layer from threads: every call submits, `wait` waits, and a full queue says so."""

from concurrent.futures import ThreadPoolExecutor

import acrypto

with acrypto.open() as layer:
    gzip = layer.transform("gzip", level=1)

    def pack(number: int) -> int:
        return len(gzip.compress(b"%d " % number * 100_000).wait())

    with ThreadPoolExecutor(8) as threads:
        print("packed sizes:", list(threads.map(pack, range(8))))

    started = [gzip.compress(b"x" * 1_000_000, priority=number) for number in range(4)]
    print("lanes:", [(operation.wait() and operation.completion.lane) for operation in started])

# A queue with a budget: `try_` raises instead of waiting for room.
settings = acrypto.Settings(queue_operations=1, inline_us=0, workers=1)
with acrypto.open(settings=settings) as layer:
    gzip = layer.transform("gzip", level=9)
    first = gzip.compress(bytes(8_000_000))
    try:
        gzip.try_compress(b"no room for this")
    except acrypto.QueueFull as error:
        print("refused:", error)
    first.wait()
