"""The lists of digests that sha256sum and its kin write and check."""
