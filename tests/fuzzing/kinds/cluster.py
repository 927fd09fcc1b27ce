"""TF_CONFIG that names no cluster. None names several workers that are all right: training would wait for them."""

import json
from pathlib import Path
from random import Random

from tests.fuzzing.damage import spoil_json
from tests.fuzzing.places import LAG_FLAGS, RUN, TRAINED, bring
from tests.fuzzing.trial import Trial

HOSTS = (
    "",
    "x",
    "x:",
    ":1",
    "localhost",
    "localhost:x",
    "localhost:-1",
    "localhost:99999",
    "[::1",
    "a b:1",
    "localhost:1:2",
    "http://x:1",
)


def make(chance: Random, box: Path, kit: Path) -> Trial:
    """Training of a complete run, or a dry run, under a spoilt TF_CONFIG."""
    bring(kit, box, "data", "runs")
    task = {"type": "worker", "index": 0}
    way = chance.randrange(4)
    if way == 0:
        config = {"cluster": {"worker": [chance.choice(HOSTS), "localhost:1"]}, "task": task}
        text = json.dumps(config)
    elif way == 1:
        index = chance.choice((-1, 1, 5, "x", None, 1.5, "0", "-1", True, [], 10**30))
        config = {"cluster": {"worker": ["localhost:1"]}, "task": {**task, "index": index}}
        text = json.dumps(config)
    elif way == 2:
        roles = {"worker": ["localhost:1"], chance.choice(("ps", "chief", "evaluator", "x", "")): ["localhost:2"]}
        text = json.dumps(
            {"cluster": roles, "task": {**task, "type": chance.choice(("worker", "chief", "ps", "", None, 1))}}
        )
    else:
        text = spoil_json(chance, json.dumps({"cluster": {"worker": ["localhost:1"]}, "task": task})).decode(
            errors="surrogateescape"
        )
    text = text.replace("\0", "x")[:100_000]  # what the environment can hold
    args = LAG_FLAGS if chance.randrange(4) else (*LAG_FLAGS, "--dry_run")
    return Trial("lag.py", args, {"TF_CONFIG": text}, may_add=(f"{RUN}/*",), may_change=TRAINED)
