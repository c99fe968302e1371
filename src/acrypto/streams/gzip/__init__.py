"""gzip made and read on all cores: parts of one member."""
