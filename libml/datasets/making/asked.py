"""What a user asks to be made, looked at before anything slow is imported."""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from libml.datasets import manifest
from libml.datasets.catalogue import STANDARD, drawn, names
from libml.errors import UserError, did_you_mean
from libml.system.store_path import to_path


def _near(name: str, known: Iterable[str]) -> list[str]:
    """What is nearly a name without the size at its end."""
    base = re.sub(r"[_-]?\d+$", "", name.lower())
    return difflib.get_close_matches(base or name, list(known), n=3, cutoff=0.7)


def expand(wanted: list[str]) -> list[str]:
    """Names to make, each once: `all` is every standard set, `lsun` its ten categories; embedded sets by name.

    Raises:
        UserError: for a name that is no standard set.
    """
    known = list(STANDARD)
    groups = {"all": known, "lsun": [name for name in known if name.startswith("lsun_")]}
    chosen = []
    for name in wanted:
        if name not in groups and name not in known and name not in drawn():
            every = [*known, *groups, *drawn()]
            hint = did_you_mean(_near(name, every)) or f": choose from {', '.join(every)}"
            own = "or --input=PICTURES --name=NAME for pictures of your own"
            raise UserError(f"{name} is no standard dataset{hint}; {own}")
        chosen += groups.get(name, [name])
    return list(dict.fromkeys(chosen))


def check_name(name: str) -> None:
    """Refuses a name that cannot be a dataset's, or that would stand for a built-in one.

    Raises:
        UserError: saying what would do.
    """
    if not re.fullmatch(r"[A-Za-z](?:[A-Za-z0-9_-]*[A-Za-z])?", name):
        raise UserError(
            f"--name={name}: a dataset's name is made of the letters a-z, digits, - and _, and starts and ends with a "
            "letter (a size follows it, as in pets128)"
        )
    bases = {re.sub(r"\d+$", "", r).lower() for r in names()}
    if name.lower() in bases | {base.removeprefix("lsun_") for base in bases} | {"lsun"}:
        raise UserError(f"--name={name} is a built-in dataset's name: choose another")


def check_folder(folder: str) -> None:
    """Refuses what is no folder of pictures.

    Raises:
        UserError: saying why.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        why = "is a file: name the folder that it lies in" if root.exists() else "there is no such folder"
        raise UserError(f"--input={folder}: {why}")


def check_made(data_dir: str, name: str) -> None:
    """Refuses a dataset that was not made.

    Raises:
        UserError: saying which were.
    """
    if manifest.load(data_dir, name) is None and not manifest.ready(data_dir, name).is_dir():
        raise not_made(data_dir, name)


def not_made(data_dir: str, name: str) -> UserError:
    """The mistake of who asks for a dataset that was not made."""
    place = to_path(data_dir)
    own = manifest.names(place)
    there = f"datasets in {place}: {', '.join(own) or 'none'}{did_you_mean(_near(name, own))}"
    return UserError(f"--check={name}: {manifest.path(place, name)} is no manifest; {there}")
