"""BGZF: gzip in blocks that tell their length, so that a reader can begin anywhere."""
