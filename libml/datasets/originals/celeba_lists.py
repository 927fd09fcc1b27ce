"""What CelebA's authors say of its pictures: the official numbers, and their lists or Kaggle's tables of them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from libml.datasets.originals.sources import Differences, Features, check_file, find
from libml.system.files import user_errors

COUNTS = {"train": 162_770, "validation": 19_867, "test": 19_962}
SIZE = (178, 218)  # width, height
ARCHIVE, PARTITION = "img_align_celeba.zip", "list_eval_partition.txt"
ATTRIBUTES, IDENTITIES = "list_attr_celeba.txt", "identity_CelebA.txt"
FILES = {  # bytes, SHA-256
    ARCHIVE: (1443490838, "46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74"),
    PARTITION: (2836386, "fc955bcb3ef8fbdf7d5640d9a8693a8431b5f2ee291a5c1449a1549e7e073fe7"),
    ATTRIBUTES: (26721026, "f0e5da289d5ccf75ffe8811132694922b60f2af59256ed362afa03fefba324d0"),
    IDENTITIES: (3424458, "c6143857c3e2630ac2da9f782e9c1232e5e59be993a9d44e8a7916c78a6158c0"),
}

# The order of list_attr_celeba.txt.
ATTRIBUTE_NAMES = (
    *("5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose"),
    *("Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses"),
    *("Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache"),
    *("Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks"),
    *("Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick"),
    *("Wearing_Necklace", "Wearing_Necktie", "Young"),
)


def check_official(path: Path, name: str, differences: Differences) -> None:
    """Notes if a file is not the authors' file of that name."""
    size, sha256 = FILES[name]
    check_file(path, size, {"sha256": sha256}, differences)


def stem(name: str) -> str:
    """'000001' of folder/000001.jpg; '' for what is no picture."""
    match = re.fullmatch(r"(?:.*/)?([^/.][^/]*)\.(?:jpe?g|png)", name, re.IGNORECASE)
    return match[1] if match and "__MACOSX" not in name else ""


def official_split(name: str) -> str:
    """By the number that is a picture's name: the authors' splits follow each other. '' for other names."""
    if not re.fullmatch(r"[0-9]{6}", name):
        return ""
    last = 0
    for split, count in COUNTS.items():
        if last < int(name) <= (last := last + count):
            return split
    return ""


def find_list(root: Path, name: str) -> Path | None:
    """One of the lists, or Kaggle's .csv of it: in the folder or below it, else beside it."""

    def is_it(entry: str) -> bool:
        return entry.lower() in (name.lower(), f"{name.lower().removesuffix('.txt')}.csv")

    found = find(root, is_it) if root.is_dir() else []
    found = found or find(root.parent, is_it, depth=1, asked=False)
    if not found and root.parent.name == root.name:  # Kaggle's folder of pictures lies in another of its name
        found = find(root.parent.parent, is_it, depth=0, asked=False)
    return next((file for file in found if file.is_file()), None)


def partition(path: Path, differences: Differences) -> dict[str, str]:
    """Name without suffix -> split, for the lines that say one."""
    splits = dict(zip("012", COUNTS, strict=True))
    rows = (row for row in _rows(path, PARTITION, differences) if len(row) == 2 and row[1] in splits)
    return {stem(name): splits[number] for name, number in rows if stem(name)}


def _rows(path: Path, name: str, differences: Differences) -> Iterator[list[str]]:
    """The words of each line of a list."""
    if path.suffix.lower() == ".txt":
        check_official(path, name, differences)
    with user_errors(path, "read"):
        text = path.read_text("utf-8", errors="replace")
    for line in text.splitlines():
        if words := line.replace(",", " ").split():
            yield words


class Facts(NamedTuple):
    """What the lists say of pictures, by their names without suffix."""

    attributes: dict[str, bytes]  # a byte an attribute, 0 or 1, in the order of ATTRIBUTE_NAMES
    identities: dict[str, int]  # from 1

    def of(self, name: str) -> Features:
        """Features of a picture beside the image."""
        features: Features = {}
        if name in self.attributes:
            features["attributes"] = dict(zip(ATTRIBUTE_NAMES, self.attributes[name], strict=True))
        if name in self.identities:
            features["identity"] = {"Identity_No": self.identities[name]}
        return features


def facts(root: Path, differences: Differences) -> Facts:
    """Attributes and identities, as far as their lists are there."""
    attributes, identities = {}, {}
    if file := find_list(root, ATTRIBUTES):
        attributes = _attributes(file, differences)
    else:
        differences.add(f"{ATTRIBUTES} is missing: the images have no attributes")
    if file := find_list(root, IDENTITIES):
        rows = (
            row for row in _rows(file, IDENTITIES, differences) if len(row) == 2 and re.fullmatch("[0-9]{1,9}", row[1])
        )
        identities = {stem(name): int(number) for name, number in rows if stem(name)}
    else:
        differences.add(f"{IDENTITIES} is missing: every label is 0")
    return Facts(attributes, identities)


def _attributes(path: Path, differences: Differences) -> dict[str, bytes]:
    order, found = list(ATTRIBUTE_NAMES), {}
    for row in _rows(path, ATTRIBUTES, differences):
        if set(ATTRIBUTE_NAMES) <= set(row):
            order = [word for word in row if word != "image_id"]
        elif len(row) == 1 + len(order) and stem(row[0]):
            values = dict(zip(order, row[1:], strict=True))
            found[stem(row[0])] = bytes(values[name] == "1" for name in ATTRIBUTE_NAMES)
    return found
