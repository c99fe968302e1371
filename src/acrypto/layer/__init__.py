"""What users hold: the layer, its transforms, its operations."""
