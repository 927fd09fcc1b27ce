"""What every program does before its imports, which take time and may be missing.

An old Python gets so far, and is told that it is too old: hence annotations are not evaluated here.
"""

from __future__ import annotations

import sys
from types import TracebackType

from libml.system import ending

OURS = ("lag", "libml")
ACTIVATE = "source .venv/bin/activate, if runs/quickstart.sh or runs/test.sh has made .venv"


def begin() -> None:
    """From now on Ctrl-C is one line, and so is a package that is missing; after another error's traceback is one.

    Raises:
        SystemExit: where Python is too old.
    """
    ending.stop_at_once()
    if sys.version_info < (3, 11):  # noqa: UP036
        old = f"{sys.executable} is Python {sys.version_info[0]}.{sys.version_info[1]}, and LAG needs 3.11 to 3.13"
        sys.exit(f"error: {old}: {ACTIVATE}; else PYTHON=/path/to/python3.11 bash runs/quickstart.sh makes it")
    sys.excepthook = _say


def begin_with_tensorflow() -> None:
    """As begin; and TensorFlow is imported quietly, of a program that cannot wait with it."""
    begin()
    from libml.system import environment, starting

    environment.set_defaults()
    with starting.quietly(environment.is_quiet()):
        import tensorflow  # noqa: F401


def _say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    name = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    package = name.partition(".")[0]
    if name and package == name and name not in OURS:
        text = f"the package {name} is missing in {sys.executable}: {ACTIVATE}; else pip install -r requirements.txt"
    elif name and package not in OURS:
        cure = "wait where it is being installed; else pip install --force-reinstall -r requirements.txt"
        text = f"the package {package} is not whole in {sys.executable}, {name} is missing: {cure}"
    else:
        sys.__excepthook__(kind, error, trace)
        text = f"the program did not expect this: please report the lines above, of {_here()}"
    if issubclass(kind, Exception):
        print(f"error: {text}", file=sys.stderr)


def _here() -> str:
    import platform

    version = getattr(sys.modules.get("tensorflow"), "__version__", None)
    return f"{platform.platform()}, Python {platform.python_version()}" + (f", TensorFlow {version}" if version else "")
