"""What is tried: a program, its words, and what it may do to the files around it."""

import dataclasses
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Trial:
    """One call of a program. It runs in a folder of its own, the sandbox; patterns are those of fnmatch below it."""

    program: str  # below the project's root
    args: tuple[str, ...]
    env: dict[str, str] = dataclasses.field(default_factory=dict)
    may_add: tuple[str, ...] = ()  # where new files may be
    may_change: tuple[str, ...] = ()  # files that may be replaced or removed
    may_move: tuple[str, ...] = ()  # files that may be given another name below may_add
    stop_after: float = 0.0  # seconds until SIGTERM, for what would rightly go on for long; 0: never

    @property
    def command(self) -> list[str]:
        """As a user writes it."""
        return ["python", self.program, *self.args]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a program did."""

    status: int  # exit status; of one that a signal ended, less the signal's number
    hung: bool
    stopped: bool  # whether it was sent SIGTERM
    seconds: float
    out: str
    err: str
