"""Tink's AES-GCM-HKDF streaming AEAD: a published format with AES-GCM, under a key that both sides have.

It authenticates data beside the file, too. Keysets are Tink's own; these stages take the key material inside them.
"""

from acrypto.streams.tink.stages import TinkDecrypt, TinkEncrypt

__all__ = ["TinkDecrypt", "TinkEncrypt"]
