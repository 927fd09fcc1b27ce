"""Which images: numbers and spans as a user writes them."""

from libml.errors import UserError


def parse_indices(text: str) -> list[int]:
    """'0,3,5-8' -> [0, 3, 5, 6, 7, 8].

    Raises:
        UserError: if it is written otherwise.
    """
    chosen = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or (last and not last.isdigit()) or (last and int(last) < int(first)):
            raise UserError(f"--samples={text}: {part.strip()!r} is neither a number nor a rising span as 5-8")
        chosen.extend(range(int(first), int(last or first) + 1))
    return chosen
