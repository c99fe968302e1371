"""The CPU, with the libraries built in: does everything, on all cores; the reference for all others."""

from __future__ import annotations

from acrypto import _core
from acrypto.engines.base import Engine


class Software(Engine):
    """Runs in the core's own workers; CPU features are found at run time."""

    name = "software"
    needs = "nothing: the libraries are built in"
    by_default = True

    def native(self) -> _core.Engine:
        """The core's own engine."""
        return _core.Engine.software()
