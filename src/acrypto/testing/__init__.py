"""For whoever writes an engine or tests something above acrypto: the conformance suite, and an engine that waits for you."""
