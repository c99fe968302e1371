"""Real uses of the layer; each knows nothing of the others."""
