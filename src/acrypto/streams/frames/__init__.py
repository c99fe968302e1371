"""zstd and lz4: independent frames, one after the other."""
