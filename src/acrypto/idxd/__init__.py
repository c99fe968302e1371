"""Intel's idxd devices: their bus, configuration and discovery."""
