"""Spoilt recipes of the explorer, in lines of JSON and in PNG files, of which the pictures are to be made again."""

from pathlib import Path
from random import Random

from tests.fuzzing.damage import spoil, spoil_file, spoil_json
from tests.fuzzing.places import bring
from tests.fuzzing.trial import Trial


def make(chance: Random, box: Path, kit: Path) -> Trial:
    """A spoilt recipe; it may be another one that can be made."""
    bring(kit, box, "export", "pictures", "recipes")
    path = box / "recipes" / chance.choice(("pins.jsonl", "pins.jsonl", "pin.png"))
    if path.suffix == ".png":
        path.write_bytes(spoil(chance, path.read_bytes()))
    else:
        good = path.read_bytes()
        path.write_bytes(spoil_json(chance, good.decode()) + chance.choice((b"", b"\n" + good)))
    if chance.randrange(10) == 0:
        spoil_file(chance, path)
    words = (f"--input={chance.choice(('pictures', 'pictures/0.png', 'pictures/1.png'))}", "--output=new")
    return Trial(
        "scripts/upscale.py",
        ("--model=export", *words, f"--recipe={path.relative_to(box)}"),
        may_add=("new", "new/*"),
    )
