"""For whoever writes an engine, or tests something above acrypto: the conformance suite and a gate for its work."""
