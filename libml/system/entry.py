"""What every program does before its imports, which take time and may be missing."""

import sys
from types import TracebackType

from libml.system import interrupts

OURS = ("lag", "libml")


def begin() -> None:
    """From now on Ctrl-C is one line, and so is a package that is missing."""
    interrupts.stop_at_once()
    sys.excepthook = _say


def _say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    name = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    if not name or "." in name or name in OURS:
        sys.__excepthook__(kind, error, trace)
        return
    print(
        f"error: the package {name} is missing in {sys.executable}: source .venv/bin/activate, if runs/quickstart.sh "
        "or runs/test.sh has made .venv; else pip install -r requirements.txt",
        file=sys.stderr,
    )
