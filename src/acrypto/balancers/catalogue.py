"""The one list of balancers."""

from __future__ import annotations

from acrypto.balancers.base import Balancer
from acrypto.balancers.by_process import ByProcess
from acrypto.balancers.by_size import BySize
from acrypto.balancers.failover import Failover
from acrypto.balancers.fastest import Fastest
from acrypto.balancers.round_robin import RoundRobin
from acrypto.balancers.simple import Simple

# A new balancer is one line here. Each can be made without arguments; every layer has one of each.
BALANCERS: dict[str, type[Balancer]] = {
    "fastest": Fastest,
    "simple": Simple,
    "round_robin": RoundRobin,
    "by_size": BySize,
    "failover": Failover,
    "by_process": ByProcess,
}
#: What a layer uses unless its settings say otherwise.
DEFAULT = "fastest"
