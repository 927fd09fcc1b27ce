"""Which images: numbers and spans as a user writes them."""

import re

from libml.errors import UserError

MOST = 10_000  # images that can be asked for at a time
_PART = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")


def parse_indices(text: str) -> list[int]:
    """'0,3,5-8' -> [0, 3, 5, 6, 7, 8].

    Raises:
        UserError: if it is written otherwise, or asks for more than MOST images.
    """
    chosen = []
    for part in text.split(","):
        found = _PART.fullmatch(part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if last < first:
            raise UserError(
                f"--samples={_short(text)}: {_short(part.strip())!r} is neither a number nor a rising span as 5-8"
            )
        if len(chosen) + last - first + 1 > MOST:
            raise UserError(f"--samples={_short(text)}: more than {MOST} images at a time")
        chosen.extend(range(first, last + 1))
    return chosen


def _short(text: str) -> str:
    return text if len(text) <= 50 else f"{text[:50]}..."
