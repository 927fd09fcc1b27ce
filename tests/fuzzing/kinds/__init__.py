"""The kinds of bad input. Each makes a sandbox and a trial of (random.Random, sandbox, kit) alone."""

from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.fuzzing.kinds import (
    cluster,
    exports,
    flags,
    manifests,
    npy,
    originals,
    outputs,
    pictures,
    recipes,
    records,
    runs,
)
from tests.fuzzing.trial import Trial

Make = Callable[[Random, Path, Path], Trial]

KINDS: dict[str, Make] = {
    "flags": flags.make,
    "records": records.make,
    "pictures": pictures.make,
    "checkpoint": runs.checkpoint,
    "args": runs.args,
    "run": runs.anything,
    "manifest": manifests.make,
    "settings": outputs.settings,
    "results": outputs.results,
    "npy": npy.make,
    "export": exports.make,
    "cluster": cluster.make,
    "originals": originals.make,
    "recipes": recipes.make,
}
# Of each round through the kinds, how many trials are of one.
SHARES = {"flags": 4, "records": 3, "pictures": 4, "checkpoint": 2, "args": 2, "manifest": 2, "originals": 3}


def rounds() -> list[str]:
    """The kinds of one round, each as often as its share says, spread out."""
    most = max(SHARES.values())
    return [kind for turn in range(most) for kind in KINDS if turn < SHARES.get(kind, 1)]
