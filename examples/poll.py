"""No event loop and no threads of your own: submit, do something else, and reap what has ended when it suits you."""

import acrypto

with acrypto.open(settings=acrypto.Settings(inline_us=0)) as layer:
    found = {}

    def keep(operation):
        """Runs inside `layer.poll`, on this thread."""
        found[names[operation]] = operation.result().hex()

    transform = layer.transform("sha256")
    names = {}
    for number in range(100):
        operation = transform.digest(b"page %d" % number * 1000, mode="poll", callback=keep)
        names[operation] = f"page {number}"

    turns = 0
    while len(found) < len(names):
        turns += 1  # your own work goes here
        layer.poll(most=16)

    assert found["page 7"] == acrypto.sha256(b"page 7" * 1000).hex()
    print(f"{len(found)} digests, reaped beside {turns} turns of something else")
