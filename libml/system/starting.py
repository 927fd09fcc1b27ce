"""Importing TensorFlow without what it writes to stderr meanwhile."""

import contextlib
import faulthandler
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator

from libml.errors import UserError
from libml.system import ending, environment, interrupts

# What its C++ side writes before it knows which lines are wanted; of its errors that there is no GPU, and that a CPU
# has no fast way with the 16 bits in which a model's weights are stored.
_NOISE = re.compile(
    rb"(WARNING: All log messages before absl::InitializeLog"
    rb"|[IW]\d{4}[ :.\d]+ +\d+ \S+:\d+\] "
    rb"|To enable the following instructions:"
    rb"|E\d{4}[^\n]*failed call to cuInit: [^\n]*(?:\(303\)|CUDA_ERROR_NO_DEVICE)"
    rb"|E\d{4}[^\n]*oneDNN supports DT_\w+ only on platforms with "
    rb")[^\n]*\n?"
)
_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def quietly(quiet: bool = True) -> Iterator[None]:
    """Wrap the import of TensorFlow in this: its first lines are not shown; Ctrl-C and SIGTERM end the process at once.

    Others' lines come when the import is done. If it fails, all lines come. If it ends the process, Python says where.

    Args:
        quiet: whether lines are held back at all.
    """
    if _one_at_a_time.locked():  # within quietly_for_others
        yield
        return
    with interrupts.at_once(), _held_back(ending.say_on) if quiet else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def quietly_for_others() -> Iterator[None]:
    """As quietly, in a process that is not ours: signals stay its own, and so do all lines if TensorFlow is imported
    already, or if TF_CPP_MIN_LOG_LEVEL says which are wanted.
    """
    with _one_at_a_time:
        theirs = "tensorflow" in sys.modules or environment.speaks() or not _has_stderr()
        with contextlib.nullcontext() if theirs else _held_back(lambda descriptor: None):
            yield


def _has_stderr() -> bool:
    try:
        os.fstat(2)
    except OSError:
        return False
    return sys.stderr is not None


@contextlib.contextmanager
def _held_back(say_on: Callable[[int], object]) -> Iterator[None]:
    """Holds back what is written to stderr. Args: say_on: told of the descriptor of the real one."""
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        say_on(real)
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
            say_on(2)
            os.close(real)
            held.seek(0)
            said = held.read()
            os.write(2, noise.sub(b"", said) if noise else said)
