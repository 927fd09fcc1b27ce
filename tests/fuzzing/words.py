"""Bad values: for flags, as text, and for JSON."""

from random import Random
from typing import Any

INTEGERS = (
    *("", "x", "-1", "0", "1", "1.5", "1e3", "nan", "inf", "0x10", " 7", "1_000", "true", "²", "٣", "--", "3-1", "1,2"),
    *("2147483647", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775809"),
    *("1" * 60, "9" * 5000, "-" + "9" * 400),
)
FLOATS = (
    *(
        "",
        "x",
        "-1",
        "0",
        "-0",
        "nan",
        "inf",
        "-inf",
        "1e308",
        "1e400",
        "1e-320",
        "-1e-9",
        "1,5",
        "٣",
        "true",
        "1e",
        "9" * 400,
    ),
)
TEXTS = (
    *(
        "",
        " ",
        ".",
        "..",
        "-",
        "--",
        "x",
        "nowhere/at/all",
        "a\nb",
        "a\rb",
        "\x1b[31m",
        "💥",
        "é",
        "e\u0301",
        "\u202e",
    ),
    *("\udcff", "a" * 300, "a/" * 3000, "%s%n", "{x}", "{0.__class__}", "$HOME", "~", "../.."),
    *("/proc/self/mem", "/proc/self/environ", "file:///x", "gs://x/y", "http://127.0.0.1:9/x", "ram://x"),
    *("*", "[", "[!", "**", "a:b", "nul", "'", '"', "`id`", ";", "|", "\\", "\t", "0", "-1", "1e5", "None", "null"),
)
BOOLEANS = ("", "x", "maybe", "2", "-1", "TRUE", "no", "é", "1.0")


def json_value(chance: Random, old: Any = None) -> Any:
    """A value that does not belong where `old` was; often of the same type."""
    if isinstance(old, bool) or old is None or chance.randrange(3) == 0:
        return chance.choice(
            (
                *(None, True, False, 0, 1, -1, 2, 1.5, "", "x", [], {}, [1], {"a": 1}, [[]], 1 << 31, 1 << 63, 10**400),
                *(float("nan"), float("inf"), 1e308, -1e-9, "1", "a" * 3000, list(range(1000)), "\ud800", "\0"),
            )
        )
    if isinstance(old, str):
        return chance.choice((*TEXTS, old + "x", old[:-1], old.upper(), f"../{old}", f"/{old}", "\0", "a\0b"))
    if isinstance(old, (int, float)):
        return chance.choice(
            (
                old + 1,
                old - 1,
                -old,
                0,
                -1,
                old * 2,
                old // 2,
                str(old),
                1 << 31,
                1 << 40,
                1 << 63,
                10**30,
                10**400,
                float("nan"),
                1e308,
            )
        )
    if isinstance(old, list):
        return chance.choice(
            ([], old[:-1], old + old, old[::-1], [None] * len(old), ["x"] * len(old), [old], dict(enumerate(old)))
        )
    return chance.choice(({}, list(old), list(old.values()), {**old, "x": 1}, dict.fromkeys(old), [old], str(old)))
