"""Importing TensorFlow without what it writes to stderr meanwhile."""

import contextlib
import faulthandler
import os
import re
import sys
import tempfile
from collections.abc import Iterator

from libml.errors import UserError
from libml.system import interrupts

# What its C++ side writes before it knows which lines are wanted.
_NOISE = re.compile(
    rb"(WARNING: All log messages before absl::InitializeLog|[IW]\d{4}[ :.\d]+ +\d+ \S+:\d+\] )[^\n]*\n?"
)


@contextlib.contextmanager
def quietly(quiet: bool = True) -> Iterator[None]:
    """Wrap the import of TensorFlow in this: its first lines are not shown; Ctrl-C and SIGTERM end the process at once.

    Others' lines come when the import is done. If it fails, all lines come. If it ends the process, Python says where.

    Args:
        quiet: whether lines are held back at all.
    """
    with interrupts.at_once():
        if not quiet:
            yield
            return
        sys.stderr.flush()
        real = os.dup(2)
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), 2)
            interrupts.say_on(real)
            faulting = faulthandler.is_enabled()
            if not faulting:
                faulthandler.enable(real)
            noise: re.Pattern[bytes] | None = _NOISE
            try:
                yield
            except UserError:
                raise
            except BaseException:
                noise = None
                raise
            finally:
                if not faulting:
                    faulthandler.disable()
                sys.stderr.flush()
                os.dup2(real, 2)
                interrupts.say_on(2)
                os.close(real)
                held.seek(0)
                said = held.read()
                os.write(2, noise.sub(b"", said) if noise else said)


def begin(quiet: bool) -> None:
    """Imports TensorFlow under `quietly`."""
    with quietly(quiet):
        import tensorflow  # noqa: F401
