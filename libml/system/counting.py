"""How far a long count has come: a bar on a terminal; elsewhere, as in a log, a line at each tenth."""

import sys

import tqdm


class Counting:
    """Counts to a total and shows it on stderr; a context, at whose end the bar goes away."""

    def __init__(self, what: str, total: int, unit: str):
        """Args: what the bar or a line begins with; how many there will be, and of what."""
        self._what, self._total, self._unit, self._count = what, max(1, total), unit, 0
        self._bar = tqdm.tqdm(total=total, desc=what, unit=unit, leave=False, disable=None)

    def turn_to(self, what: str) -> None:
        """From here on the bar or a line begins with this."""
        self._what = what
        self._bar.set_description(what)

    def advance(self, more: int = 1) -> None:
        """Counts some more."""
        before, self._count = self._count, self._count + more
        self._bar.update(more)
        if self._bar.disable and 10 * before // self._total != 10 * self._count // self._total:
            print(f"{self._what}: {self._count:,} of {self._total:,} {self._unit}s", file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """Writes a line on stderr, above the bar."""
        self._bar.write(line, file=sys.stderr)

    def __enter__(self) -> "Counting":
        return self

    def __exit__(self, *_) -> None:
        self._bar.close()
