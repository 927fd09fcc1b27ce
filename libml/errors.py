"""The one error that a user's mistake raises: programs print its text, and no traceback. What other errors say."""

import re
from collections.abc import Collection


class UserError(Exception):
    """A mistake in what the program was given. The message says in one line what was wrong and what to do."""

    def __str__(self) -> str:
        return printable(super().__str__())  # a file may be called anything


def printable(text: str) -> str:
    """On one line: what cannot be printed is escaped, and so are the halves of characters that stand for raw bytes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def did_you_mean(near: Collection[str]) -> str:
    """'; did you mean celeba, cifar10?', the end of a message about a name; '' where nothing is near."""
    return f"; did you mean {', '.join(near)}?" if near else ""


def first_line(error: BaseException) -> str:
    """The first line of what an error says, without TensorFlow's names of graph nodes; its type if it says nothing."""
    text = getattr(error, "message", None) or str(error)  # TensorFlow's: str() would add more
    lines = re.sub(r"\{\{.*?\}\} *", "", str(text)).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def reason(error: BaseException) -> str:
    """What an error says, short enough to stand within a message of ours."""
    return first_line(error)[:200]
