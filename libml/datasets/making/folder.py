"""A dataset from any folder of pictures."""

import contextlib
import dataclasses
import functools
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from libml.datasets import manifest, records
from libml.datasets.making import build, hub, pictures, sources
from libml.datasets.making.asked import check_folder
from libml.datasets.making.pictures import SUFFIXES, PictureOptions, StoredPicture
from libml.datasets.making.sources import Source
from libml.errors import UserError, printable
from libml.system import files
from libml.system.counting import Counting
from libml.system.cpu import available_cores
from libml.system.files import user_errors
from libml.system.store_path import to_path
from libml.system.workers import ordered_map

UNSUPPORTED = (
    *(".jxl", ".svg", ".psd", ".xcf", ".ico", ".exr"),
    *(".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2"),
)
MAX_NAMED = 50  # problems printed; the report has all
SPLIT_RULE = (
    "test if the first 8 bytes of blake2b-128('{width}x{height}' + RGB pixels, upright, before crop and resize), as a "
    "big-endian integer over 2**64, are less than test_fraction; else train"
)


Found = tuple[list[str], list[tuple[str, str]], int]


def find(root: Path) -> Found:
    """Looks through a folder and all below it, links to folders included, each folder once.

    Returns:
        Paths (below root) of what should be pictures, sorted; (path, reason) for what cannot be; the number of other
        files. Hidden files and folders are passed over.
    """
    found, problems, others = [], [], 0
    visited = set()

    def walk(folder: str) -> None:
        nonlocal others
        try:
            status = os.stat(root / folder)
            if (status.st_dev, status.st_ino) in visited:
                return  # a link back to a folder above, or a second way to the same one
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(root / folder) as scan:
                entries = sorted((entry.name, os.path.isdir(entry.path)) for entry in scan)
        except OSError as e:
            problems.append((folder, e.strerror or str(e)))
            return
        for name, is_folder in entries:
            relative = os.path.join(folder, name)
            suffix = os.path.splitext(name)[1].lower()
            if name.startswith((".", "__MACOSX")):
                continue
            if is_folder:
                walk(relative)
            elif suffix in SUFFIXES:
                found.append(relative)
            elif suffix in UNSUPPORTED:
                problems.append((relative, f"{suffix[1:]} files are not read: convert it to PNG or JPEG"))
            else:
                others += 1

    walk("")
    return sorted(found), problems, others


def _spread(paths: list[str]) -> list[str]:
    """In the order of the names' hashes: neighbours in a folder are alike, and training shuffles only so far."""
    return sorted(paths, key=lambda path: hashlib.blake2b(os.fsencode(path), digest_size=8).digest())


def _label_names(paths: list[str]) -> list[str]:
    """Top-level folders in order; "" for pictures that lie in none."""
    return sorted({path.split(os.sep)[0] if os.sep in path else "" for path in paths})


def is_test(digest: bytes, fraction: float) -> bool:
    """Whether a picture is a test image: by its content alone, so that it never changes sides."""
    return _position(digest) < fraction


def _position(digest: bytes) -> float:
    return int.from_bytes(digest[:8], "big") / 2**64


class _Report:
    """What was special about files: counted, written to a file, and where it is a problem printed."""

    def __init__(self, file: Path, say: Callable[[str], None]):
        self.counts = dict.fromkeys(("unusable", "duplicate", "small", "flat"), 0)
        self._file, self._say = file.open("w", encoding="utf-8", errors="backslashreplace"), say

    def add(self, kind: str, path: str, reason: str) -> None:
        self.counts[kind] += 1
        path = printable(path)
        self._file.write(f"{kind}\t{path}\t{reason}\n")
        if kind == "unusable" and self.counts[kind] <= MAX_NAMED:
            self._say(f"unusable: {path}: {reason}")
        if kind == "unusable" and self.counts[kind] == MAX_NAMED + 1:
            self._say("unusable: more, which the report names")

    def close(self) -> None:
        self._file.close()


def _lost(path: str, how: str) -> StoredPicture:
    """What stands for a picture whose reader died of it, twice."""
    return StoredPicture(problem=f"ends the process that reads it ({how})")


def make(
    folder: str,
    name: str,
    data_dir: str,
    options: PictureOptions,
    test_fraction: float,
    workers: int,
    overwrite: bool,
    parquet: bool = False,
    update: bool = False,
) -> dict[str, Any] | None:
    """Makes the dataset {name} of all pictures in a folder and below it.

    Args:
        folder: of the pictures, or of Parquet files of them.
        name: of the dataset.
        data_dir: where to put it.
        options: how to store pictures.
        test_fraction: share of the pictures that become test images.
        workers: processes that read pictures; 0 for as many as there are cores.
        overwrite: make it again where it is complete.
        parquet: the folder has Parquet files. Their images lie unpacked in the data folder until the set is made; where
            the files are called after the hub's splits, those tell the test images.
        update: read what the folder has and the complete set lacks, what could not be read before included; the set's
            own records are taken over.

    Returns:
        The manifest, or None if the dataset was complete.

    Raises:
        UserError: for a folder without usable pictures, other pictures than a complete set was made of, files in the
            way, or a file system that refuses.
    """
    root, place = Path(folder).expanduser(), to_path(data_dir)
    parameters = {**dataclasses.asdict(options), "background": list(options.background), "test_fraction": test_fraction}
    made = (place, name, ["train", "test"], {"parameters": parameters}, overwrite)
    complete = build.already_complete(*made)
    if complete and parquet:
        _same_sources(place, name, root, {str(table.path.relative_to(root)) for table in hub.find_tables(folder)})
        return None
    found = None if parquet else _find_some(folder, root)
    workers = workers or available_cores()
    if complete and not (
        _same_sources(place, name, root, found[0], update)
        or (update and _any_readable_now(place, name, root, options, workers))
    ):
        return None
    tables = hub.find_tables(folder) if parquet else []
    with build.building(place, name) as work:
        known = {}
        if build.already_complete(*made):
            if not update:  # another program made it meanwhile
                return None
            known = {path: source for path, source in _known(place, name).items() if not source.is_unusable}
        if parquet:
            unpacked = work / "pictures"
            splits = hub.unpack(folder, tables, unpacked)
            found = find(unpacked)
            content, _ = _fill(work, place, name, unpacked, found, options, test_fraction, workers, splits, {})
            content["source"] = root.resolve().name
            if splits:
                content["split_rule"] = hub.SPLIT_RULE.format(hub.test_split(folder, tables))
            files.remove(unpacked)
            paths = [str(table.path.relative_to(root)) for table in tables]
            listed = [sources.Source(path, sources.content_of(root / path)) for path in paths]
        else:
            content, listed = _fill(work, place, name, root, found, options, test_fraction, workers, {}, known)
        with user_errors(place, "write into"):
            sources.write(work, name, listed)
        content[sources.FINGERPRINT] = sources.fingerprint({source.path: source.content for source in listed})
        content |= {"parameters": parameters, "other_files": found[2]}
        build.publish(work, place, content)
    return content


def _same_sources(place: Path, name: str, root: Path, paths: Iterable[str], update: bool = False) -> bool:
    """Whether a complete dataset is to be made anew, since --update was asked for and the folder has new files.

    Raises:
        UserError: if the folder has not what the dataset was made of, and --update was not asked for or cannot help.
    """
    content = manifest.load(place, name)
    known = sources.load(place, name, content)
    others = f"{name} is there, and was made of other files than those of {root}"
    ways = "--overwrite makes it again of this folder, and --name would give this one another name"
    if known is None:
        if update:
            raise UserError(f"{name} was made by an older program, which kept no list of its files: --overwrite first")
        if content.get("source") != root.resolve().name:
            raise UserError(f"{others}: its folder was called {content.get('source')}; {ways}")
        return False
    new, gone, changed = sources.difference(known, root, paths)
    if gone or changed or (new and not update):
        counts = f"{len(new)} are new, {len(gone)} are gone, {len(changed)} have changed"
        only_new = "" if gone or changed else "--update adds the new ones, "
        raise UserError(f"{others} ({counts}): {only_new}{ways}")
    return bool(new)


def _known(place: Path, name: str) -> dict[str, Source]:
    return sources.load(place, name, manifest.load(place, name))


def _any_readable_now(place: Path, name: str, root: Path, options: PictureOptions, workers: int) -> bool:
    """Whether a picture that could not be read when a dataset was made now can, as one whose package is there now."""
    unusable = [path for path, source in _known(place, name).items() if source.is_unusable]
    read = functools.partial(pictures.read, root=str(root), options=options)
    return any(not picture.problem for picture in ordered_map(read, unusable, workers, _lost))


def _find_some(folder: str, root: Path) -> Found:
    """The pictures of a folder.

    Raises:
        UserError: if there are none.
    """
    check_folder(folder)
    paths, problems, others = find(root)
    if not paths:
        why = f": {problems[0][0] or folder}: {problems[0][1]}" if problems else ""
        raise UserError(f"{folder} has no pictures ({', '.join(s[1:] for s in SUFFIXES)}){why}")
    return paths, problems, others


def _fill(
    work, place, name, root, found, options, test_fraction, workers, splits, known
) -> tuple[dict[str, Any], list[Source]]:
    """Writes shards and report into the build's folder; returns the manifest, and what became of each file.

    What is `known` of an older make of the same set (path -> source), which `place` has, is taken over with its record,
    not read.
    """
    paths, problems, _ = found
    paths, labels = _spread(paths), {label: i for i, label in enumerate(_label_names(paths))}
    writers = {split: build.SplitWriter(work, split) for split in ("train", "test")}
    index = {path: i for i, path in enumerate(paths)}
    # digest -> index of the file that has it
    first_path = {bytes.fromhex(s.digest): index[path] for path, s in known.items() if s.split}
    older = manifest.load(place, name) if known else {}
    kept = {split: _records(place, older, split) for split in writers} if known else {}
    sizes = [*older["image_size"]["min"], *older["image_size"]["max"]] if known else []
    sides, notes, listed = Counter(older.get("sides", {})), Counter(), []
    read = functools.partial(pictures.read, root=str(root), options=options)
    counting = Counting(f"making {name}", len(paths), "picture")
    with user_errors(work.parent, "write into"):
        report = _Report(work / f"{name}-report.txt", counting.say)
    with user_errors(work.parent, "write into"), counting, contextlib.closing(report):
        for path, reason in problems:
            report.add("unusable", path or ".", reason)
        fresh = ordered_map(read, [path for path in paths if path not in known], workers, _lost)
        for i, path in enumerate(paths):
            counting.advance()
            label = labels[path.split(os.sep)[0] if os.sep in path else ""]
            if source := known.get(path):
                png = next(kept[source.split]) if source.split else b""
            else:
                picture = next(fresh)
                source, png = _judged(paths, i, picture, first_path), picture.png
                source = dataclasses.replace(source, content=sources.content_of(root / path))
                notes.update(picture.notes)
                if png and first_path.setdefault(picture.digest, i) == i:
                    split = splits.get(path) or ("test" if is_test(picture.digest, test_fraction) else "train")
                    source = dataclasses.replace(source, split=split, digest=picture.digest.hex())
                    sizes = _extremes(sizes, picture.shape)
                    sides[str(min(picture.shape))] += 1
            listed.append(source)
            if source.report:
                report.add(source.report[0], path, source.report[1])
            if source.split:
                writers[source.split].write(records.example(png, label))
        for note, count in sorted(notes.items()):
            counting.say(f"pictures {note}: {count}")
    _check_splits(first_path, writers, test_fraction, report.counts)
    return {
        "format": manifest.FORMAT,
        "name": name,
        "kind": manifest.FOLDER,
        "source": root.resolve().name,
        "colors": 3,
        "image_size": {"min": sizes[:2], "max": sizes[2:]},
        "sides": {side: sides[side] for side in sorted(sides, key=int)},
        "labels": list(labels),
        "report": report.counts,
        "split_rule": SPLIT_RULE,
        "splits": {
            split: writer.finish(functools.partial(build.shard_names, name, split)) for split, writer in writers.items()
        },
        "versions": manifest.versions("tensorflow", "pillow"),
    }, listed


def _records(place: Path, content: dict[str, Any], split: str) -> Iterator[bytes]:
    """The stored images of a split, in order.

    Raises:
        UserError: if one cannot be read.
    """
    for shard in content["splits"][split]["files"]:
        yield from records.images(place / shard["file"])


def _judged(paths: list[str], i: int, picture: StoredPicture, first_path: dict[bytes, int]) -> Source:
    """The i-th file, with what is special about it."""
    report = None
    if picture.problem:
        report = "unusable", picture.problem
    elif picture.small:
        report = "small", f"has {picture.small} pixels, less than --min_size"
    elif (first := first_path.get(picture.digest, i)) != i:
        report = "duplicate", f"is the same picture as {printable(paths[first])}"
    elif picture.flat:
        report = "flat", "is nearly of one colour (it was taken all the same)"
    return Source(paths[i], sources.Content(0, ""), report=report)


def _extremes(sizes: list[int], shape: tuple[int, int]) -> list[int]:
    """[least height, least width, most height, most width], with one more picture."""
    low, high = sizes[:2] or shape, sizes[2:] or shape
    return [*map(min, low, shape), *map(max, high, shape)]


def _check_splits(found: dict[bytes, int], writers: dict, fraction: float, counts: dict[str, int]) -> None:
    """Refuses a dataset without training or without test images.

    Raises:
        UserError: saying what would help.
    """
    if not found:
        what = ", ".join(f"{n} {kind}" for kind, n in counts.items() if n)
        raise UserError(f"none of the pictures can be used ({what}): no dataset was made")
    positions = sorted(map(_position, found))
    if not writers["test"].records:
        enough = f"--test_fraction={_above(positions[0])}" if len(positions) > 1 else "more pictures"
        raise UserError(
            f"none of the {len(found)} pictures falls into the test split: {enough} would give it one; nothing was made"
        )
    if not writers["train"].records:
        raise UserError(f"all {len(found)} pictures fall into the test split: lower --test_fraction or add pictures")


def _above(position: float) -> float:
    """A short decimal above a number in [0, 1)."""
    return next(round(position + 10.0**-d, d) for d in range(2, 18) if position < round(position + 10.0**-d, d) < 1)
