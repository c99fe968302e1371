"""A device dies with work in its hands: the work is done elsewhere, and nobody notices but the counters."""

import asyncio

import acrypto
from acrypto.engines.simulated import Simulated


async def main() -> None:
    accelerator = Simulated(name="accelerator", priority=200, algorithms=["sha256"], latency_us=500)
    settings = acrypto.Settings(balancer="failover")  # the strongest that is there serves
    async with acrypto.open([accelerator, "software"], settings=settings) as layer:
        messages = [b"message %d" % number for number in range(200)]
        operations = [layer.digest("sha256", message) for message in messages]

        accelerator.kill()  # in the middle
        digests = await asyncio.gather(*operations)
        assert digests == [acrypto.sha256(message) for message in messages]
        print({device.name: device.state for device in layer.devices()})
        print("redone or moved, and why:", layer.statistics().fallbacks)

        accelerator.revive()
        assert layer.revive_device("accelerator0") == []  # proven first
        operation = layer.digest("sha256", b"again")
        await operation
        print("and again:", operation.completion)


asyncio.run(main())
