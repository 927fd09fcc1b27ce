"""A folder's pictures upscaled by several processes, on one machine or many: whose is which, and what they share.

Each process, a shard, has a table, settings and a lock of its own in OUTPUT/shards/3-of-64. The results lie where one
process would have written them.
"""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lag.upscaling.results import SETTINGS, TABLE, difference, read_settings
from lag.upscaling.sources import bare_name
from libml.errors import UserError
from libml.system.files import discard, lock_file, published

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
    if not 1 <= shard.total <= MOST:
        raise UserError(f"{what} is one of {shard.total} shards: there can be 1 to {MOST}")
    if not 1 <= shard.number <= shard.total:
        raise UserError(f"{what} is shard {shard}: shards count from 1: 1/{shard.total} to {shard.total}/{shard.total}")
    return shard


def begun(output: Path) -> dict[Shard, dict[str, Any]]:
    """The shards that have results in a folder, as far as it lists them, and their settings.

    Raises:
        UserError: if the folder of one holds another program's settings.json.
    """
    return dict(_begun(output, _listed(output)))


def _listed(output: Path) -> list[Shard]:
    """The shards that have folders, in their order; not all of them need have begun."""
    matches = (re.fullmatch("([0-9]{1,9})-of-([0-9]{1,9})", name) for name in published(output / FOLDER))
    return sorted(Shard(*map(int, match.groups())) for match in matches if match)


def _begun(output: Path, listed: Iterable[Shard]) -> Iterator[tuple[Shard, dict[str, Any]]]:
    """Those that have begun, with their settings, one after another: a store takes time to say each."""
    for shard in listed:
        if (recorded := read_settings(shard.place(output) / SETTINGS)) is not None:
            yield shard, recorded


def check_alone(output: Path) -> None:
    """Refuses a folder of shards to a process that is none of them.

    Raises:
        UserError: if it is one.
    """
    for shard, _ in _begun(output, _listed(output)):
        raise UserError(
            f"{output} holds results of shards, as {shard}: add --shard, or --merge the shards and "
            f"remove {output / FOLDER}, or choose another --output"
        )


def check_others(output: Path, shard: Shard, settings: dict[str, Any], overwrite: bool) -> bool:
    """Refuses a folder whose results are not those of this shard's siblings.

    Args:
        output: the folder.
        shard: this one.
        settings: what results of all shards must have in common.
        overwrite: whether the others' results, too, are about to be made again by other settings.

    Returns:
        Whether any shard has begun.

    Raises:
        UserError: naming what differs.
    """
    listed = _listed(output)
    for other, _ in _begun(output, [other for other in listed if other.total != shard.total]):
        raise UserError(
            f"{output} holds results of shard {other}, and {shard} would have some of its pictures: "
            f"use one number of shards, or choose another --output"
        )
    siblings = [other for other in listed if other.total == shard.total and other != shard]
    for other, recorded in _begun(output, siblings):
        if not overwrite and (differs := difference(recorded, settings)):
            raise UserError(
                f"shard {other} holds results of {differs}: all shards must agree; choose another --output, "
                "or --overwrite the results of each"
            )
        return True  # further ones agree with the first
    return (shard.place(output) / SETTINGS).exists()


def check_unmixed(output: Path) -> None:
    """Refuses a folder that a process which is no shard has begun to fill.

    Raises:
        UserError: if it is one.
    """
    if any((output / name).exists() for name in (TABLE, SETTINGS)):
        raise UserError(f"{output} holds results that were made without --shard: choose another --output")


class Beside:
    """Other processes that fill the same folder: looked for before this one begins, and once it has begun.

    Of two that begin at the same time at least one sees the other.
    """

    def __init__(self, output: Path, shard: Shard | None, settings: dict[str, Any], overwrite: bool):
        """Args: as of check_others; the shard is None where there is but one process."""
        self._output, self._shard, self._settings, self._overwrite = output, shard, settings, overwrite
        place = shard.place(output) if shard else output
        self._new = [path for path in (place / TABLE, place / SETTINGS) if not path.exists()]
        self._first: bool | None = None  # of all shards: a table in the folder is then no merged one

    def check(self) -> None:
        """Raises UserError if the folder is another's."""
        if self._shard is None:
            check_alone(self._output)
            return
        some = check_others(self._output, self._shard, self._settings, self._overwrite)
        if self._first is None:
            self._first = not some
        if self._first:
            check_unmixed(self._output)

    def check_again(self) -> None:
        """Raises UserError if another process began at the same time; then this one's table and settings are gone."""
        try:
            self.check()
        except UserError:
            for path in self._new:
                discard(path)
            raise


@contextlib.contextmanager
def held(output: Path, shard: Shard | None) -> Iterator[Callable[[], None]]:
    """Holds a shard, or all of a folder, which another process may not make meanwhile.

    Yields:
        What raises a UserError if it is no longer held.

    Raises:
        UserError: if another process holds it.
    """
    place, what = (shard.place(output), f"shard {shard}") if shard else (output, "results")
    with lock_file(place / ".lock", f"another process makes {what} in {output}: wait until it ends") as check:
        yield check
