"""Spoilt manifests of a dataset, read by all that looks a dataset up."""

from pathlib import Path
from random import Random

from tests.fuzzing.damage import spoil_file, spoil_json
from tests.fuzzing.places import LAG_FLAGS, RUN, bring
from tests.fuzzing.trial import Trial

READERS = (
    ("scripts/create_datasets.py", "--check=pets", "--data_dir=data"),
    ("scripts/create_datasets.py", "--input=pictures", "--name=pets", "--data_dir=data", "--workers=1"),
    ("scripts/create_datasets.py", "--input=pictures", "--name=pets", "--data_dir=data", "--workers=1", "--overwrite"),
    ("scripts/create_datasets.py", "--check=dogs", "--data_dir=data"),
    ("lag.py", *LAG_FLAGS, "--dry_run", "--dataset=pets8"),
    ("lag.py", *LAG_FLAGS, "--dry_run", "--dataset=pets"),
    ("lag.py", *LAG_FLAGS, "--dry_run", "--dataset=nothing"),
    (
        "scripts/benchmark_dataset.py",
        "--dataset=pets16",
        "--data_dir=data",
        "--batch=2",
        "--samples=4",
        "--repeats=1",
        "--scale=4",
    ),
    (
        "scripts/lag_generate_candidates.py",
        f"--run={RUN}",
        "--dataset=pets16",
        "--data_dir=data",
        "--samples=0",
        "--output=new.png",
    ),
)
PETS = ("data/pets.json", "data/pets-*")


def make(chance: Random, box: Path, kit: Path) -> Trial:
    """A spoilt manifest, or what a killed program could have left."""
    program, *args = chance.choice(READERS)
    bring(kit, box, "data", "pictures", *(("runs",) if RUN in str(args) else ()))
    data, path = box / "data", box / "data" / "pets.json"
    if chance.randrange(8) == 0:
        ready = data / ".pets.ready"
        ready.mkdir()
        (ready / "pets.json").write_bytes(spoil_json(chance, path.read_text()))
        (ready / "pets-test.tfrecord").write_bytes((data / "pets-test.tfrecord").read_bytes())
        return Trial(program, tuple(args), may_add=("new*", "data/*"), may_change=(*PETS, "data/.pets*"))
    path.write_bytes(spoil_json(chance, path.read_text()))
    if chance.randrange(10) == 0:
        spoil_file(chance, path)
    may_change = PETS if "--overwrite" in args else ()
    return Trial(program, tuple(args), may_add=("new*", "data/*"), may_change=may_change)
