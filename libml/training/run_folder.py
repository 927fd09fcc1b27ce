"""A run's folder: which files it holds, its parameters in args.json, its lock, and starting over in it."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from libml.errors import UserError
from libml.system import jsontext
from libml.system.files import lock_file, remove, withdraw, write_atomic
from libml.system.store_path import StorePath, to_path
from libml.training.config import FREE, RunConfig

EVER = {"dataset", "scale", "downscaler", "batch"}  # parameters that args.json has had from the first


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The places of a run's files, on a disk or a store; nobody else knows their names."""

    path: Path

    @property
    def args(self) -> Path:
        """The run's method, parameters and colours, as JSON."""
        return self.path / "args" / "args.json"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "tf"

    @property
    def summaries(self) -> Path:
        """The folder of TensorBoard's events."""
        return self.checkpoints / "summaries"

    @property
    def metrics(self) -> Path:
        """The values of each report, a line of JSON each."""
        return self.path / "metrics.jsonl"

    @property
    def preview(self) -> Path:
        """The newest preview, as PNG."""
        return self.path / "preview.png"

    @property
    def export(self) -> Path:
        """The SavedModel that the end of the training leaves."""
        return self.path / "export"

    @property
    def best(self) -> Path:
        """A run's folder with the checkpoint that a measure found the best."""
        return self.path / "best"

    @property
    def noise(self) -> Path:
        """The noise that an evaluation found to look best, as JSON."""
        return self.path / "noise.json"

    @property
    def lock(self) -> Path:
        """Held by the process that trains the run."""
        return self.path / ".lock"

    def event_files(self) -> list[Path]:
        """TensorBoard's files."""
        return [path for path in self.summaries.glob("*tfevents*") if path.is_file()]

    def leftovers(self) -> list[Path]:
        """The former folders of checkpoints that a killed `forget` has yet to remove."""
        return list(self.path.glob(f".{self.checkpoints.name}.tmp*"))

    def is_run(self) -> bool:
        """Whether a run's parameters are there."""
        return self.args.exists()


def save_args(config: RunConfig, folder: Path, **facts: Any) -> None:
    """Writes args/args.json of a run's folder: its method, the parameters and further facts of the run."""
    values = {"method": config.method, **config.to_json(), **facts}
    write_atomic(RunFolder(folder).args, (json.dumps(values, indent=4, sort_keys=True) + "\n").encode())


def _read_args(folder: Path) -> dict[str, Any] | None:
    path = RunFolder(folder).args
    try:
        args = jsontext.parse(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as e:
        raise UserError(f"cannot read {path}: {e}") from None
    if not isinstance(args, dict):
        raise UserError(f"cannot read {path}: it holds no parameters")
    return args


def recorded_best(folder: Path) -> dict[str, Any]:
    """What save_args was told of a best checkpoint: measure, images, value, kimg; {} where there is none.

    Raises:
        UserError: if args.json cannot be read.
    """
    best = (_read_args(folder) or {}).get("best")
    known = isinstance(best, dict) and type(best.get("value")) in (int, float)
    return best if known else {}


def load_args(folder: str | os.PathLike | StorePath) -> dict[str, Any]:
    """The parameters in a run's folder.

    Raises:
        UserError: if the folder holds no run.
    """
    args = _read_args(to_path(folder))
    if args is None:
        raise UserError(f"{folder} is no run folder: it has no args/args.json")
    return args


def recommended_noise(folder: str | os.PathLike | StorePath, nimg: int) -> float | None:
    """The noise that an evaluation of a run's checkpoint found to look best; None where there was none."""
    try:
        found = jsontext.parse(RunFolder(to_path(folder)).noise.read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("nimg") != nimg:
        return None
    noise = found.get("noise")
    return float(noise) if type(noise) in (int, float) and 0 <= noise <= 10 else None


def run_colors(args: dict, run: str | os.PathLike | StorePath) -> int:
    """Colour channels of a run, from its args.json.

    Raises:
        UserError: if it does not say.
    """
    if args.get("colors") not in (1, 3):
        raise UserError(f'{run}/args/args.json does not say the number of colours: add "colors": 3, or 1 for grey ones')
    return args["colors"]


def from_args(cls: type[RunConfig], args: dict[str, Any]) -> RunConfig:
    """A config from args.json's contents; what is unknown is left out, what is missing takes its default: older runs
    lack newer parameters.

    Raises:
        UserError: if they are those of another method, cannot be, or lack what every run has.
    """
    if args.get("method", cls.method) != cls.method:
        other = args["method"]
        raise UserError(f"the run is one of {other}, not of {cls.method}: its program is {str(other).lower()}.py")
    if missing := sorted(EVER - args.keys()):
        raise UserError(f"the run's args/args.json lacks {', '.join(missing)}: it was changed")
    names = {f.name for f in dataclasses.fields(cls)}
    config = cls(**{k: v for k, v in args.items() if k in names})
    try:
        config.validate()
    except UserError as e:
        raise UserError(f"the run's args/args.json was changed: {e}") from None
    floats = {f.name: float(getattr(config, f.name)) for f in dataclasses.fields(cls) if isinstance(f.default, float)}
    return dataclasses.replace(config, **floats)  # JSON may say 1 for 1.0, which Keras refuses


def check_same_run(config: RunConfig, folder: Path) -> None:
    """Refuses to go on with a run under other parameters. Its batch may differ: the clock is images seen.

    A folder without args.json is a new run's.

    Raises:
        UserError: naming every parameter that differs and may not; if args.json cannot be read.
    """
    recorded, differing = _read_args(folder), []
    if recorded is None:
        return
    from_args(type(config), recorded)  # of the same method
    for field in dataclasses.fields(config):
        old, new = recorded.get(field.name, field.default), getattr(config, field.name)
        if field.metadata["role"] != FREE and field.name != "batch" and old != new:
            differing.append(f"{field.name} was {old}, now {new}")
    if differing:
        raise UserError(
            f"{folder} is a run with other parameters ({'; '.join(differing)}): "
            "use those, another --name or --train_dir, or --reset to start over"
        )


def locked(folder: Path) -> contextlib.AbstractContextManager[Callable[[], None]]:
    """Holds a run's folder; the lock vanishes with the process, however it ends. On a store it ends after a while.

    Yields:
        What raises a UserError if another process has taken it.

    Raises:
        UserError: if another process holds it, or the folder cannot be written.
    """
    busy = f"another process is training {folder}: stop it, or use another --name or --train_dir"
    return lock_file(RunFolder(folder).lock, busy)


def forget(folder: Path) -> None:
    """Empties a run's folder of what a run leaves there. No checkpoint can be found from the first moment on.

    Raises:
        UserError: if something cannot be removed.
    """
    files = RunFolder(folder)
    withdraw(files.checkpoints)
    whole = (files.args.parent, files.metrics, files.preview, files.noise, files.export, files.best)
    for path in (*whole, *files.leftovers()):
        remove(path)
