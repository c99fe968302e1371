"""Compressed and encrypted files as Python's own file objects, and for asyncio."""
