"""The benches are scripts in a folder of their own, which import each other."""

from __future__ import annotations

import sys

from tests.house.places import ROOT

sys.path.append(str(ROOT / "benches"))
