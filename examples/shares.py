"""Two clients of one layer: while both have work, the one with three shares gets three quarters of the device."""

import collections

import acrypto
from acrypto.testing.gate import Gate

gate = Gate()  # a device that is busy until it is opened, so that a queue forms behind it
with acrypto.open([gate]) as layer:
    layer.set_client("interactive", 3)  # others have one share

    first = layer.digest("sha256", b"keeps the device busy")
    gate.arrived.wait()
    operations = [
        layer.digest("sha256", b"%s %d" % (client.encode(), number), client=client)
        for client in ("batch", "interactive")
        for number in range(100)
    ]
    # A larger priority goes before all shares.
    urgent = layer.digest("sha256", b"urgent", client="batch", priority=1)
    print("queued:", len(layer.requests()))

    gate.open()
    for operation in (first, urgent, *operations):
        operation.wait()

order = [source.split()[0].decode() for source in gate.order]
print(order[1], "came first; then, of 100:", dict(collections.Counter(order[2:102])))
