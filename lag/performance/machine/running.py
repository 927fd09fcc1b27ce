"""Parts of a report, each in a process of its own that ends in time: what it found before counts, however it ends."""

import json
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

END = 5.0  # seconds that a process has to end when it is told to
LONGEST = 300  # characters of a failure's line


class Part(NamedTuple):
    """A part of the report."""

    name: str
    title: str
    share: float  # of the time, beside the others' shares
    items: tuple[str, ...] = ("",)  # a process each


def counts(devices: int) -> list[int]:
    """How many devices are measured: 1, 2, 4, ... and all."""
    return sorted({2**k for k in range(devices.bit_length())} | {devices})


def allowance(left: Sequence[Part], seconds: float) -> float:
    """Seconds that the first of the parts which are left may take, of all the seconds that are left."""
    return max(0.0, seconds) * left[0].share / sum(part.share for part in left)


def run(command: Sequence[str], seconds: float, log: Path) -> str:
    """Runs a process to its end, or stops it when its seconds are over; its output goes to a file.

    Returns:
        Why it did not end well, in one line; '' if it did.
    """
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"not all done within its {seconds:.0f} s: give more --minutes"
        finally:
            _end(process)
    if not status:
        return ""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    mistakes = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    said = (mistakes or lines or [""])[-1][:LONGEST]
    how = f"ended by {signal.Signals(-status).name}" if status < 0 else said
    return how or f"ended with status {status}"


def _end(process: subprocess.Popen) -> None:
    """Tells a process to end, and makes it."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(END)
    except subprocess.TimeoutExpired:
        process.kill()


def enough(begun: float, seconds: float, done: int) -> bool:
    """Whether one more piece of work as long as the `done` ones before would end within the seconds since `begun`."""
    gone = time.monotonic() - begun
    return gone + gone / max(done, 1) <= seconds


def keep(row: dict[str, Any], path: Path) -> None:
    """Adds a row to a file, where it stays if the process ends."""
    with path.open("a") as f:
        f.write(json.dumps(row) + "\n")


def kept(path: Path) -> list[dict[str, Any]]:
    """The whole rows of a file; none if there is none."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            break  # cut by the end of the process
    return found
