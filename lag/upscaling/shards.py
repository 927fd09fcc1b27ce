"""A folder's pictures upscaled by several processes, on one machine or many: whose is which, and what they share.

Each process, a shard, has a table, settings and a lock of its own in OUTPUT/shards/3-of-64. The results lie where one
process would have written them.
"""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lag.upscaling.results import SETTINGS, TABLE, difference, read_settings
from lag.upscaling.sources import bare_name
from libml.errors import UserError
from libml.system.files import lock_file, published

FOLDER = "shards"  # within the output
MOST = 10_000  # shards
_AUTO = "auto"
_SLURM, _KUBERNETES = "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"
_HOW = "write --shard=3/64 for the third of 64"


class Shard(NamedTuple):
    """One of `total` parts of a folder's pictures."""

    number: int  # from 1 to total
    total: int

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"

    def owns(self, name: str) -> bool:
        """Whether a picture, by its name below the input folder, is one of this shard's.

        Pictures whose results clash have the same bare name, and so lie in the same shard, which sees all of them.
        """
        return owner(name, self.total) == self.number

    def place(self, output: Path) -> Path:
        """The folder of its table."""
        return output / FOLDER / f"{self.number}-of-{self.total}"


def owner(name: str, count: int) -> int:
    """The number of the shard, of `count`, that has a picture."""
    digest = hashlib.blake2b(bare_name(name).encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "little") % count + 1


def parse(text: str, environment: Mapping[str, str]) -> Shard:
    """The shard that --shard means.

    Args:
        text: as 3/64; or auto, for what a Slurm array or a Kubernetes Indexed Job says in the environment.
        environment: of the process.

    Raises:
        UserError: if it means none.
    """
    if text != _AUTO:
        if not re.fullmatch("[0-9]{1,9}/[0-9]{1,9}", text):
            raise UserError(f"--shard={text} is no shard: {_HOW}")
        return _checked(Shard(*map(int, text.split("/"))), f"--shard={text}")
    if (_SLURM in environment) == (_KUBERNETES in environment):
        which = "both" if _SLURM in environment else "neither"
        raise UserError(f"--shard=auto needs {_SLURM} or {_KUBERNETES}, and {which} of them is set: {_HOW}")
    return _of_slurm(environment) if _SLURM in environment else _of_kubernetes(environment)


def _of_slurm(environment: Mapping[str, str]) -> Shard:
    task, first, last, count = (_number(environment, f"SLURM_ARRAY_TASK_{n}") for n in ("ID", "MIN", "MAX", "COUNT"))
    if last - first + 1 != count:  # as of --array=3,17, which runs two shards of more once again
        raise UserError(f"--shard=auto needs all tasks of the array, and {count} of {first}-{last} are there: {_HOW}")
    return _checked(Shard(task - first + 1, count), f"{_SLURM}={task}")


def _of_kubernetes(environment: Mapping[str, str]) -> Shard:
    index, count = _number(environment, _KUBERNETES), _number(environment, "JOB_COMPLETIONS")
    return _checked(Shard(index + 1, count), f"{_KUBERNETES}={index}")


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "")
    if not re.fullmatch("[0-9]{1,9}", text):
        missing = f"{name}={text} is no number" if text else f"{name} is not set"
        raise UserError(f"--shard=auto: {missing}; set it, or {_HOW}")
    return int(text)


def _checked(shard: Shard, what: str) -> Shard:
    if not 1 <= shard.number <= shard.total <= MOST:
        raise UserError(f"{what} is shard {shard}: the number must be from 1 to the count, the count at most {MOST}")
    return shard


def begun(output: Path) -> dict[Shard, dict[str, Any]]:
    """The shards that have results in a folder, as far as it lists them, and their settings.

    Raises:
        UserError: if the folder of one holds another program's settings.json.
    """
    found = {}
    for name in published(output / FOLDER):
        if match := re.fullmatch("([0-9]{1,9})-of-([0-9]{1,9})", name):
            shard = Shard(*map(int, match.groups()))
            if (recorded := read_settings(shard.place(output) / SETTINGS)) is not None:
                found[shard] = recorded
    return dict(sorted(found.items()))


def check_alone(output: Path) -> None:
    """Refuses a folder of shards to a process that is none of them.

    Raises:
        UserError: if it is one.
    """
    for shard in begun(output):
        raise UserError(
            f"{output} holds results of shards, as {shard}: add --shard, or --merge the shards and "
            f"remove {output / FOLDER}, or choose another --output"
        )


def check_others(output: Path, shard: Shard, settings: dict[str, Any], overwrite: bool) -> None:
    """Refuses a folder whose results are not those of this shard's siblings.

    Args:
        output: the folder.
        shard: this one.
        settings: what results of all shards must have in common.
        overwrite: whether the others' results, too, are about to be made again by other settings.

    Raises:
        UserError: naming what differs.
    """
    others = begun(output)
    if not others and (output / TABLE).exists():
        raise UserError(f"{output} holds results that were made without --shard: choose another --output")
    for other, recorded in others.items():
        if other.total != shard.total:
            raise UserError(
                f"{output} holds results of shard {other}, and {shard} would have some of its pictures: "
                f"use one number of shards, or choose another --output"
            )
        if other != shard and not overwrite and (differs := difference(recorded, settings)):
            raise UserError(
                f"shard {other} holds results of {differs}: all shards must agree; choose another --output, "
                "or --overwrite the results of each"
            )


@contextlib.contextmanager
def held(output: Path, shard: Shard) -> Iterator[Callable[[], None]]:
    """Holds a shard, which another process may not make meanwhile.

    Yields:
        What raises a UserError if it is no longer held.

    Raises:
        UserError: if another process holds it.
    """
    busy = f"another process makes shard {shard} in {output}: wait until it ends"
    with lock_file(shard.place(output) / ".lock", busy) as check:
        yield check
