"""Spoilt exports, given to upscaling, or in the way of a new one."""

from pathlib import Path
from random import Random

from tests.fuzzing.damage import spoil_file, spoil_folder, spoil_json
from tests.fuzzing.places import RUN, bring
from tests.fuzzing.trial import Trial


def make(chance: Random, box: Path, kit: Path) -> Trial:
    """A program that reads or replaces a spoilt export."""
    bring(kit, box, "export", "pictures", "runs")
    folder, way = box / "export", chance.randrange(10)
    if way < 4:
        path = folder / "model.json"
        path.write_bytes(spoil_json(chance, path.read_text()))
    elif way < 6:
        spoil_file(chance, folder / "saved_model.pb")
    elif way < 8:
        spoil_folder(chance, folder / "variables")
    elif way == 8:
        spoil_folder(chance, folder)
    else:
        (folder / "mine.txt").write_bytes(b"mine")
        spoil_file(chance, folder / chance.choice(("model.json", "saved_model.pb")))
    if chance.randrange(4) == 0:
        args = (f"--run={RUN}", "--output=export")
        # An older export is replaced; whether it still is one, model.json says.
        return Trial(
            "scripts/export.py",
            args,
            may_add=("export", "export/*"),
            may_change=(
                "export/model.json",
                "export/saved_model.pb",
                "export/fingerprint.pb",
                "export/variables*",
                "export/assets",
            ),
        )
    args = ("--model=export", "--input=pictures", "--output=new", "--samples=2")
    return Trial("scripts/upscale.py", args, may_add=("new", "new/*"))
