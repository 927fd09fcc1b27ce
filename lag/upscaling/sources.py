"""The pictures of a folder by their names, a million of which fit into memory, and what their results are called."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

from lag.upscaling.paths import check_paths
from libml.datasets.making.pictures import SUFFIXES
from libml.errors import UserError, printable
from libml.system.store_path import StorePath

Belongs = Callable[[str], bool]  # whether a picture of that name is to be taken
_SUFFIXES = frozenset(SUFFIXES)


class Sources(NamedTuple):
    """Pictures below a folder."""

    root: Path
    names: list[str]  # below root, as sub/face.png; sorted folder by folder
    whole: frozenset[str]  # names that share their results' path with others, and so keep their suffix there
    found: int  # how many pictures there are, those that were not taken included

    def stem(self, name: str) -> Path:
        """Path of a picture's results within the output, without the sample's number."""
        return Path(name) if name in self.whole else Path(name).with_suffix("")


def find_sources(source: Path, output: Path, belongs: Belongs | None = None) -> Sources:
    """The pictures of a folder and its subfolders; those in `output` and hidden ones aside. Or the file.

    Args:
        source: the folder or the file.
        output: folder of the results.
        belongs: which of a folder's to take, by default all; pictures of one bare_name must be taken or left together.

    Raises:
        UserError: if there is none.
    """
    check_paths(source, output, belongs is not None)
    if source.is_file():
        return _sources(source.parent, [source.name], 1)
    names, found = [], 0
    for name in _below(source, output.resolve()):
        found += 1
        if belongs is None or belongs(name):
            names.append(name)
    if not found:
        raise UserError(f"--input={source} holds no pictures ({' '.join(SUFFIXES)})")
    names.sort(key=lambda name: name.replace("/", "\0"))  # as the names' words are sorted
    return _sources(source, names, found)


def _sources(root: Path, names: list[str], found: int) -> Sources:
    return Sources(root, names, names_that_clash(names), found)


def is_picture(name: str) -> bool:
    """Whether a file's name is that of a picture."""
    return name[name.rfind(".") :].lower() in _SUFFIXES


def bare_name(name: str) -> str:
    """A picture's name without the suffixes of pictures at its end; those of pictures whose results clash are alike."""
    while is_picture(name):
        name = name[: name.rfind(".")]
    return name


def names_that_clash(names: Iterable[str]) -> frozenset[str]:
    """Pictures whose results would have the path of another's if it did not keep the suffix."""
    seen: set[str] = set()
    shared: set[str] = set()
    for bare in map(bare_name, names):
        (shared if bare in seen else seen).add(bare)
    del seen  # which may be large
    alike = [name for name in names if bare_name(name) in shared] if shared else []
    stems = {name: str(PurePath(name).with_suffix("")) for name in alike}
    while True:
        count = Counter(stems.values())
        clashing = {name for name, stem in stems.items() if count[stem] > 1 and stem != name}
        if not clashing:
            return frozenset(name for name, stem in stems.items() if stem == name)
        stems.update((name, name) for name in clashing)


def _below(source: Path, output: Path) -> Iterator[str]:
    """Names of the pictures below a folder, in no order; hidden ones and those of the folder `output` aside."""
    folders = [""]
    while folders:
        folder = folders.pop()
        for name, is_folder in _listed(source / folder):
            if name.startswith("."):
                continue
            if not is_folder:
                if is_picture(name):
                    yield folder + name
            elif (source / folder / name).resolve() != output:
                folders.append(f"{folder}{name}/")


def _listed(folder: Path) -> Iterator[tuple[str, bool]]:
    """What is in a folder, and whether each is a folder; a link to one is left out. One that cannot be read is said."""
    if isinstance(folder, StorePath):
        yield from folder.entries()
        return
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                is_folder = _is_folder(entry)
                if not (is_folder and entry.is_symlink()):
                    yield entry.name, is_folder
    except OSError as e:
        print(f"warning: cannot read the folder {printable(str(folder))}: {e.strerror}", file=sys.stderr)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # as of a link to itself, whose reading will say what is wrong
        return False
