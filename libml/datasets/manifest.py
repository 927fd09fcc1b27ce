"""A dataset's manifest, {name}.json: what was made, from what and how. A made dataset is complete when it is there."""

import contextlib
import functools
import importlib.metadata
import json
import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any

from libml.errors import UserError
from libml.system import jsontext
from libml.system.files import user_errors
from libml.system.store_path import to_path

FORMAT = 1
STANDARD, FOLDER = "standard", "folder"  # kinds of datasets


def path(data_dir: Path, name: str) -> Path:
    """Where a dataset's manifest is."""
    return to_path(data_dir) / f"{name}.json"


def ready(data_dir: Path, name: str) -> Path:
    """The folder of a dataset that is made and not yet moved to its place."""
    return to_path(data_dir) / f".{name}.ready"


def load(data_dir: Path, name: str) -> dict[str, Any] | None:
    """The manifest of a dataset; None if there is none, or if that file is something else.

    Raises:
        UserError: if it cannot be read, is damaged, or was written by a later version of this program.
    """
    file = path(data_dir, name)
    with user_errors(file, "read"):
        if not file.is_file():
            return None
        try:
            manifest = jsontext.parse(file.read_bytes())
        except ValueError:
            return None
    if not isinstance(manifest, dict) or manifest.get("name") != name or "splits" not in manifest:
        return None
    if manifest.get("format") != FORMAT:
        raise UserError(f"{file} has format {manifest.get('format')}, this program knows {FORMAT}: make the set again")
    if wrong := _wrong(manifest):
        raise UserError(
            f"{file} is damaged ({wrong} is not as it was written): make the dataset again with --overwrite"
        )
    return manifest


def _wrong(manifest: dict[str, Any]) -> str:
    """Which entry is none that this program writes; empty if all are."""
    splits = manifest["splits"]
    if not isinstance(splits, dict):
        return "splits"
    for split, entry in splits.items():
        if not re.fullmatch("[a-z]+", split) or not isinstance(entry, dict) or not _is_count(entry.get("images")):
            return f"splits: {split}"
        if not isinstance(entry.get("files"), list) or not all(map(_is_shard, entry["files"])):
            return f"the files of {split}"
    if manifest.get("kind") not in (STANDARD, FOLDER):
        return "kind"
    if manifest["kind"] == FOLDER and not (_is_count(manifest.get("colors")) and manifest["colors"] in (1, 3)):
        return "colors"
    if manifest["kind"] == FOLDER and not _is_size(manifest.get("image_size")):
        return "image_size"
    if not _are_sides(manifest.get("sides", {})):
        return "sides"
    if not isinstance(manifest.get("fingerprint", ""), str):
        return "fingerprint"
    return ""


def _is_count(value: Any, least: int = 0) -> bool:
    return type(value) is int and least <= value < 1 << 53


def _is_shard(shard: Any) -> bool:
    if not isinstance(shard, dict) or not all(isinstance(shard.get(key), str) for key in ("file", "sha256")):
        return False
    file = PurePosixPath(shard["file"])
    below = file.name and not file.is_absolute() and ".." not in file.parts and "\0" not in shard["file"]
    return bool(below) and all(_is_count(shard.get(key)) for key in ("records", "bytes"))


def _is_size(value: Any) -> bool:
    most = value.get("max") if isinstance(value, dict) else None
    return isinstance(most, list) and len(most) == 2 and all(_is_count(side, least=1) for side in most)


def _are_sides(value: Any) -> bool:
    return isinstance(value, dict) and all(re.fullmatch("[0-9]{1,6}", k) and _is_count(n) for k, n in value.items())


def smaller(manifest: dict[str, Any], size: int) -> tuple[int, int]:
    """(how many of a set's stored images have a side below `size`, how many there are); of older sets (0, 0)."""
    sides = manifest.get("sides", {})
    return sum(n for side, n in sides.items() if int(side) < size), sum(sides.values())


def training_side(manifest: dict[str, Any]) -> int:
    """A side to train at, at most 128 and that of most images, which --scale=8 divides."""
    return max(8, min(128, usual_side(manifest)) // 8 * 8)


def usual_side(manifest: dict[str, Any]) -> int:
    """The largest side that nine of ten stored images have; of older sets the largest of all."""
    sides = {int(side): n for side, n in manifest.get("sides", {}).items()}
    enough = [side for side in sides if sum(n for s, n in sides.items() if s >= side) >= 0.9 * sum(sides.values())]
    return max(enough, default=max(manifest["image_size"]["max"]))


def encode(manifest: dict[str, Any]) -> bytes:
    """As JSON, the same bytes for the same content."""
    return (json.dumps(manifest, indent=1, ensure_ascii=True) + "\n").encode()


def files(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """All shards of all splits: dicts of file (below the data folder), records, bytes, sha256."""
    return [shard for split in manifest["splits"].values() for shard in split["files"]]


def count(manifest: dict[str, Any], split: str) -> int:
    """Records of a split."""
    return sum(shard["records"] for shard in manifest["splits"][split]["files"])


def record_counts(data_dir: Path, name: str) -> dict[Path, tuple[int, int]]:
    """File -> (its size, its records), as far as a manifest says."""
    manifest = load(data_dir, name)
    shards = files(manifest) if manifest else []
    return {to_path(data_dir) / s["file"]: (s["bytes"], s["records"]) for s in shards}


def incomplete(manifest: dict[str, Any], data_dir: Path) -> str:
    """What is wrong with the files that a manifest names, judged by their sizes; empty if nothing."""
    for shard in files(manifest):
        file = to_path(data_dir) / shard["file"]
        if not file.is_file():
            return f"{file} is missing"
        if file.stat().st_size != shard["bytes"]:
            return f"{file} has {file.stat().st_size} bytes instead of {shard['bytes']}"
    return ""


def is_own(data_dir: Path, name: str) -> bool:
    """Whether a dataset of that name was made from a folder.

    Raises:
        UserError: as load; what other files hold does not matter.
    """
    # A name may be anything, also what no file can be called: it is looked for in the list.
    listed = any(file.stem == name for file in to_path(data_dir).glob("*.json"))
    manifest = load(data_dir, name) if listed else None
    return manifest is not None and manifest["kind"] == FOLDER


def names(data_dir: Path, kinds: Collection[str] = (STANDARD, FOLDER)) -> list[str]:
    """Names of the datasets of some kinds. Files that are damaged or cannot be read are passed over."""
    found = []
    for file in sorted(to_path(data_dir).glob("*.json")):
        with contextlib.suppress(UserError):
            manifest = load(data_dir, file.stem)
            if manifest and manifest["kind"] in kinds:
                found.append(file.stem)
    return found


def versions(*packages: str) -> dict[str, str]:
    """Versions of this project and of the packages that made the files."""
    return {"lag-tf2": _own_version(), **{p: importlib.metadata.version(p) for p in packages}}


@functools.cache
def _own_version() -> str:
    project = Path(__file__).resolve().parents[2] / "pyproject.toml"  # of a checkout
    if project.is_file():
        match = re.search(r'^version = "(.+)"', project.read_text(), re.MULTILINE)
        return match[1] if match else "unknown"
    try:
        return importlib.metadata.version("lag-tf2")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
