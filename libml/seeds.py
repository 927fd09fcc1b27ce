"""Keys of random draws, for those that draw with TensorFlow (libml/rng.py) and those that draw with NumPy."""

import hashlib


def key(seed: int, purpose: str) -> int:
    """A 62-bit integer for a run's seed and the name of what is drawn."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 2


def small_key(seed: int, purpose: str) -> int:
    """As key, in 31 bits, for interfaces that take an int32 seed."""
    return key(seed, purpose) & 0x7FFFFFFF
