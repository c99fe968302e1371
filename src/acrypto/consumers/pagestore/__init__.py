"""Compressed memory: a store of pages like zswap and zram, and a cache for services."""

from __future__ import annotations

from acrypto.consumers.pagestore.cache import Cache, CacheStatistics
from acrypto.consumers.pagestore.store import PageStore

__all__ = ["PageStore", "Cache", "CacheStatistics"]
