"""What the first bytes of a record say of its image, without decoding it. Needs no TensorFlow."""

from collections.abc import Iterator
from mmap import mmap

Data = bytes | mmap

_NO_FRAME = {0xC4, 0xC8, 0xCC}  # JPEG's markers between 0xC0 and 0xCF that begin no frame
_PNG_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by colour type; 3 is a palette


def image_in(data: Data, start: int, end: int, key: bytes) -> tuple[int, int]:
    """Where the encoded image of a serialized tf.train.Example is.

    Args:
        data: what holds the Example, at start:end.
        start: its first byte.
        end: behind its last byte.
        key: name of the feature.

    Returns:
        (first byte, behind the last byte).

    Raises:
        ValueError: if there is none.
    """
    for features in _inside(data, start, end, 1):
        for entry in _inside(data, *features, 1):
            if any(data[slice(*name)] == key for name in _inside(data, *entry, 1)):
                for feature in _inside(data, *entry, 2):
                    for values in _inside(data, *feature, 1):
                        for value in _inside(data, *values, 1):
                            return value
    raise ValueError(f"no feature {key!r}")


def _inside(data: Data, start: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
    """Where the fields of that number of a protocol buffer message are; all of its fields have a length."""
    while start < end:
        tag, start = _varint(data, start)
        size, start = _varint(data, start)
        if tag & 7 != 2 or start + size > end:
            raise ValueError("no tf.train.Example")
        if tag >> 3 == wanted:
            yield start, start + size
        start += size


def _varint(data: Data, place: int) -> tuple[int, int]:
    """(number, place behind it)."""
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7


def channels(data: Data, start: int, end: int) -> int:
    """How many channels tf.io.decode_image(channels=0) makes of a PNG or JPEG image.

    Raises:
        ValueError: if its head does not say.
    """
    if data[start : start + 8] == b"\x89PNG\r\n\x1a\n" and end - start > 33:
        kind = data[start + 25]
        return (4 if _has_transparency(data, start, end) else 3) if kind == 3 else _PNG_CHANNELS[kind]
    if data[start : start + 2] == b"\xff\xd8":
        return min(3, _components(data, start + 2, end))  # four are turned into RGB
    raise ValueError("neither PNG nor JPEG")


def _has_transparency(data: Data, start: int, end: int) -> bool:
    """Whether a PNG image's palette has an alpha value."""
    place = start + 8
    while place + 8 <= end:
        kind = data[place + 4 : place + 8]
        if kind in (b"tRNS", b"IDAT"):
            return kind == b"tRNS"
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    raise ValueError("a PNG image without pixels")


def _components(data: Data, place: int, end: int) -> int:
    """Of the first frame of a JPEG image."""
    while place + 10 <= end and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # fills up
            place += 1
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            return data[place + 9]
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    raise ValueError("a JPEG image without a frame")
