"""Runs a program and writes down where the time goes, until its second training step or its end.

python scripts/startup_probe.py REPORT.json STARTED PROGRAM.py --its=flags

It is what scripts/benchmark_startup.py starts; STARTED is time.monotonic() when it did. The report has `parts`, seconds
by part, of which none is counted twice, and `first_step`, seconds from STARTED to the end of the first training step.
"""

import builtins
import functools
import json
import os
import runpy
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBRARIES = ("tensorflow", "keras")  # whose imports are parts of their own, with all that they import in turn
WATCHED = {  # functions and methods, and the part that their time belongs to
    ("libml.system.devices", "make_devices"): "devices",
    ("libml.datasets.stream", "Images.__init__"): "data check",
    ("libml.datasets.stream", "Images.check"): "data check",
    ("libml.datasets.stream", "Images.test_images"): "test images",
    ("libml.datasets.stream", "Images.batches"): "input pipeline",
    ("lag.model.training", "LAG.__init__"): "networks",
    ("libml.compared.method", "ComparedMethod.__init__"): "networks",
    ("lag.model.training", "LAG.train_step"): "step",
    ("libml.compared.method", "ComparedMethod.train_step"): "step",
    ("lag.formats.registry", "load_model"): "loading",
    ("lag.upscaling.folder", "upscale_all"): "upscaling",
}


class Probe:
    """A stopwatch for parts that may lie in one another, and the hooks that run it."""

    def __init__(self, report: Path, started: float):
        """Args: where to write, and time.monotonic() when the process was started."""
        self.report, self.started, self.parts, self.steps = report, started, Counter(), []
        self.stack, self.since = ["python"], started
        self.pending, self.original_import = dict(WATCHED), builtins.__import__

    def timed(self, part: str, function: Callable, *args, **kwargs) -> Any:
        """Calls a function, whose time belongs to a part and is taken out of the part around it."""
        self._book()
        self.stack.append(part)
        try:
            return function(*args, **kwargs)
        finally:
            self._book()
            self.stack.pop()

    def _book(self) -> None:
        now = time.monotonic()
        self.parts[self.stack[-1]] += now - self.since
        self.since = now

    def import_(self, name: str, *args, **kwargs) -> Any:
        """In the place of builtins.__import__."""
        root = name.partition(".")[0]
        part = root if root in LIBRARIES else "other imports"
        if self.stack[-1] == part or (part not in LIBRARIES and self.stack[-1] in LIBRARIES):
            module = self.original_import(name, *args, **kwargs)
        else:
            module = self.timed(part, self.original_import, name, *args, **kwargs)
        if root in ("lag", "libml"):
            self._watch()
        return module

    def _watch(self) -> None:
        """Wraps what is watched of the modules that have been imported by now, before anybody can have taken it."""
        for module, path in list(self.pending):
            owner = sys.modules.get(module)
            if owner is None or owner.__spec__._initializing:
                continue
            part, (*parents, name) = self.pending.pop((module, path)), path.split(".")
            for parent in parents:
                owner = getattr(owner, parent)
            wrapped = self._step if part == "step" else functools.partial(self.timed, part)
            function = getattr(owner, name)
            setattr(owner, name, functools.wraps(function)(_bound(wrapped, function)))

    def _step(self, function: Callable, *args, **kwargs) -> None:
        """The first step, with its tracing, and the second; then the report, and the end of the program."""
        begun = time.monotonic()
        self.timed("step", function, *args, **kwargs)
        self.steps.append((begun, time.monotonic()))
        if len(self.steps) == 2:
            (begun, first_done), (again, second_done) = self.steps
            self.parts["step"] = second_done - again
            self.parts["tracing"] = first_done - begun - self.parts["step"]
            self.write(first_done - self.started)
            os._exit(0)

    def write(self, first_step: float | None = None) -> None:
        """Writes the report."""
        self._book()
        self.report.write_text(json.dumps({"parts": self.parts, "first_step": first_step}))


def _bound(wrapped: Callable, function: Callable) -> Callable:
    return lambda *args, **kwargs: wrapped(function, *args, **kwargs)


def main() -> None:
    """Runs the program under the probe."""
    try:
        _, report, started, program, *args = sys.argv
        probe = Probe(Path(report), float(started))
    except ValueError:
        sys.exit("error: write startup_probe.py REPORT.json STARTED PROGRAM.py --its=flags, STARTED being a number")
    if not Path(program).is_file():
        sys.exit(f"error: there is no program {program!a}")
    builtins.__import__ = probe.import_
    sys.argv = [program, *args]
    sys.path[0] = str(Path(program).resolve().parent)
    try:
        probe.timed("rest", runpy.run_path, program, run_name="__main__")
    finally:
        probe.write()


if __name__ == "__main__":
    main()
