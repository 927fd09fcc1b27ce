"""A candidate as data: which picture, which seed, which operations. Never an array. JSON in and out."""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Callable
from typing import Any

from libml.errors import UserError
from libml.system import jsontext

VERSION = 1
MOST_OPERATIONS = 64  # of a recipe, those of the ends of its walks included
DEEPEST = 3  # walks within walks
MOST_PAINTED = 4096  # pixels
MOST_SEED = 2**53 - 1  # JavaScript's whole numbers end there
MOST_INDEX = 2**31 - 1
MOST_NOISE = 10.0

Operation = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What makes one large picture of a small one. The operations, in this order:

    - paint {pixels: [[row, column, level, ...], ...]}: other grey levels of some of the small picture's pixels; the
      noise stays that of the picture as it was. At most one, the first.
    - sample {index, noise}: z = noise * N(0, 1), 0 for index 0: the centre. Sample NAME_index.png of upscale.py.
    - any number of
      near {index, noise, degrees}: z = cos(a) z + sin(a) noise * N(0, 1);
      region {cells, index, noise, hold}: new z in the cells, a mask of LR pixels as hexadecimal digits (row by row,
      eight pixels a byte, the first is the highest bit). With hold the picture outside stays as it was;
      walk {seed, to: [sample, ...], at}: between this candidate, at 0, and another of the picture, at 1.
    - consistent {}: shifted so that the box means are the small picture. At most one, the last.
    """

    model: str  # fingerprint
    picture: str  # content hash of the small picture, as in results.csv
    seed: int
    operations: tuple[Operation, ...]

    def json(self) -> str:
        """One line, the same for equal recipes."""
        values = {"recipe": VERSION, **dataclasses.asdict(self)}
        return json.dumps(values, separators=(",", ":"), allow_nan=False)

    def digest(self) -> str:
        """A short name."""
        return hashlib.sha256(self.json().encode()).hexdigest()[:12]


def parse(value: Any) -> Recipe:
    """A recipe from what JSON holds, or from its text.

    Raises:
        UserError: saying what is wrong.
    """
    if isinstance(value, (str, bytes)):
        try:
            value = jsontext.parse(value)
        except ValueError as e:
            raise UserError(f"a recipe must be JSON: {e}") from None
    fields = _fields("a recipe", value, _RECIPE)
    del fields["recipe"]
    fields["operations"] = _operations(fields["operations"], "a recipe", [MOST_OPERATIONS])
    return Recipe(**fields)


def _operations(value: Any, where: str, left: list[int], depth: int = 0) -> tuple[Operation, ...]:
    """Operations, each with the fields that it needs and no others; `left` counts those that may still come."""
    if not isinstance(value, (list, tuple)) or not value:
        raise UserError(f"{where} must have operations: a list, of which one is sample")
    left[0] -= len(value)
    if left[0] < 0:
        raise UserError(f"a recipe may have {MOST_OPERATIONS} operations at most: start anew from a sample")
    made = tuple(_operation(operation, left, depth) for operation in value)
    names = [operation["op"] for operation in made]
    inner = names[names[0] == "paint" : len(names) - (names[-1] == "consistent")]
    if inner[:1] != ["sample"] or set(inner[1:]) - {"near", "region", "walk"} or (depth and inner != names):
        ends = "" if depth else "; paint may stand before it, consistent at the end"
        raise UserError(f"operations must be sample, then near, region and walk in any order{ends}: got {names}")
    return made


def _operation(value: Any, left: list[int], depth: int) -> Operation:
    name = value.get("op") if isinstance(value, dict) else None
    if not isinstance(name, str) or name not in _OPERATIONS:
        raise UserError(f"an operation must be one of {', '.join(_OPERATIONS)}: got {_shown(name)}")
    fields = _fields(name, value, {"op": None, **_OPERATIONS[name]})
    if name == "walk":
        if depth == DEEPEST:
            raise UserError(f"walks may be nested {DEEPEST} deep at most: start anew from a sample")
        fields["to"] = list(_operations(fields["to"], "a walk", left, depth + 1))
    return fields


def _fields(where: str, value: Any, checks: dict[str, Callable[[Any], Any] | None]) -> dict[str, Any]:
    """The checked fields of an object."""
    if not isinstance(value, dict):
        raise UserError(f"{where} must be an object of JSON: got {_shown(value)}")
    made = {}
    for field, check in checks.items():
        if field not in value:
            raise UserError(f"{where} lacks {field}")
        try:
            made[field] = check(value[field]) if check else value[field]
        except ValueError as e:
            raise UserError(f"{field} of {where} must be {e}: got {_shown(value[field])}") from None
    if extra := sorted(set(value) - set(checks)):
        raise UserError(f"{where} has no {_shown(extra[0])}: its fields are {', '.join(checks)}")
    return made


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _name(value: Any) -> str:
    if not (isinstance(value, str) and re.fullmatch("[0-9a-zA-Z]{1,128}", value)):
        raise ValueError("a hash")
    return value


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return value

    return check


def _number(least: float, most: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if type(value) not in (int, float) or not least <= value <= most or not math.isfinite(value):
            raise ValueError(f"a number from {least:g} to {most:g}")
        return float(value) + 0.0  # and no negative zero

    return check


def _cells(value: Any) -> str:
    if not (isinstance(value, str) and re.fullmatch("([0-9a-f]{2}){1,8192}", value) and value.strip("0")):
        raise ValueError("a mask in hexadecimal digits, two of them for eight pixels, with one pixel at least")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _pixels(value: Any) -> list[list[int]]:
    levels, sides = _whole(0, 255), _whole(0, 65535)
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_PAINTED:
        raise ValueError(f"a list of 1 to {MOST_PAINTED} pixels")
    for pixel in value:
        if not isinstance(pixel, list) or len(pixel) not in (3, 5):
            raise ValueError("a list of pixels [row, column, red, green, blue], or [row, column, grey]")
        for i, number in enumerate(pixel):
            (sides if i < 2 else levels)(number)
    if len({(row, column) for row, column, *_ in value}) < len(value):
        raise ValueError("a list of pixels, each of them once")
    return sorted(list(pixel) for pixel in value)


def _version(value: Any) -> int:
    if type(value) is not int or value != VERSION:
        raise ValueError(f"{VERSION}, the version that this program knows")
    return value


_seed, _index, _noise = _whole(-MOST_SEED, MOST_SEED), _whole(0, MOST_INDEX), _number(0, MOST_NOISE)
_RECIPE = {"recipe": _version, "model": _name, "picture": _name, "seed": _seed, "operations": None}
_OPERATIONS: dict[str, dict[str, Callable[[Any], Any] | None]] = {
    "paint": {"pixels": _pixels},
    "sample": {"index": _index, "noise": _noise},
    "near": {"index": _index, "noise": _noise, "degrees": _number(0, 90)},
    "region": {"cells": _cells, "index": _index, "noise": _noise, "hold": _truth},
    "walk": {"seed": _seed, "at": _number(0, 1), "to": None},
    "consistent": {},
}
