"""The one error that a user's mistake raises: programs print its text, and no traceback."""


class UserError(Exception):
    """A mistake in what the program was given. The message says in one line what was wrong and what to do."""

    def __str__(self) -> str:
        return printable(super().__str__())  # a file may be called anything


def printable(text: str) -> str:
    """On one line: what cannot be printed is escaped, and so are the halves of characters that stand for raw bytes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
