"""A short training of toy faces, and the band that its curve is held to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lag.performance.machine import running

# What lag.py is told, but for folders and devices. The faces are the first 2,048 of toyfaces32.
FLAGS = {
    **{"dataset": "toyfaces32", "scale": 4, "batch": 16, "filters": 32, "filters_min": 8, "blocks": 1, "noise_dim": 4},
    **{"training_kimg": 3, "transition_kimg": 2, "report_kimg": 1, "save_kimg": 8, "export": False},
}
# What was seen after each kimg: this training with seeds 0 to 3, on two cores with AVX-512, in float32. Of the first
# two kimg only seed 0, which the check trains with: until the third, one device and four gave the same four digits.
SEEN: dict[int, dict[str, tuple[float, ...]]] = {
    1: {"gp": (9.551,), "rmse": (53.59,)},
    2: {"gp": (8.572,), "rmse": (40.85,)},
    4: {
        "gap": (4.038, 7.772, 3.981, 1.18),
        "gp": (6.9, 6.239, 1.29, 4.782),
        "gmse": (0.6132, 0.5228, 1.975, 0.3606),
        "rmse": (39.12, 40.1, 35.01, 41.19),
    },
    5: {
        "gap": (33.01, 44.07, 8.006, 2.558),
        "gp": (7.062, 10.22, 1.554, 0.3555),
        "gmse": (8.541, 7.403, 3.148, 1.495),
        "rmse": (38.53, 40.83, 37.4, 40.07),
    },
    6: {
        "gap": (24.77, 37.89, 7.244, 4.712),
        "gp": (5.614, 9.984, 1.034, 0.4674),
        "gmse": (5.205, 5.212, 2.837, 2.732),
        "rmse": (39.41, 40.26, 36.93, 37.11),
    },
    7: {
        "gap": (18.01, 29.79, 6.152, 5.253),
        "gp": (3.369, 6.96, 0.7498, 0.5296),
        "gmse": (4.292, 4.081, 3.107, 3.538),
        "rmse": (38.97, 38.62, 35.01, 34.26),
    },
    8: {
        "gap": (14.79, 23.4, 4.804, 4.767),
        "gp": (2.491, 5.065, 0.5125, 0.4341),
        "gmse": (3.847, 3.792, 2.813, 2.868),
        "rmse": (39.01, 38.89, 33.42, 33.58),
    },
}
NAMES = ("gap", "gp", "gmse", "rmse")  # of a row: what metrics.jsonl has of the critic, the centre and the images
WIDER, LEAST = 0.5, 0.1  # a band is wider than what was seen by a share of its width, or of the largest value


def band(values: Sequence[float]) -> list[float]:
    """[lowest, highest] that is usual, given what was seen."""
    low, high = min(values), max(values)
    more = max(WIDER * (high - low), LEAST * max(abs(low), abs(high)))
    return [low - more, high + more]


def words() -> list[str]:
    """The flags as lag.py takes them."""
    return [
        f"--{'' if value is not False else 'no'}{name}" + ("" if value is False else f"={value}")
        for name, value in FLAGS.items()
    ]


def devices(count: int, gpus: bool) -> str:
    """The flag that makes lag.py train on as many of the devices as share the batch evenly."""
    used = max(n for n in range(1, count + 1) if FLAGS["batch"] % n == 0)
    return f"--gpus={','.join(map(str, range(used)))}" if gpus else f"--cpus={used}"


def rows(metrics: Path) -> list[dict[str, Any]]:
    """A row for each report of a training beside its band; none where there is no file yet."""
    found = []
    for values in running.kept(metrics):
        row: dict[str, Any] = {"kimg": int(values["kimg"])}
        for name in NAMES:
            seen = SEEN.get(row["kimg"], {}).get(name)
            row |= {name: values[name]} | ({f"{name}, band": band(seen)} if seen else {})
        found.append(row)
    return found
