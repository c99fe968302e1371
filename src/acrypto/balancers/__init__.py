"""Which device: one file per policy."""
