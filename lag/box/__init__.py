"""The model in the box: a small LAG of toy faces, for whoever names no model. runs/model_in_the_box.sh makes it."""

from pathlib import Path

TOY_FACES = Path(__file__).resolve().parent / "toyfaces32"


def named_or_shipped(model: str | None) -> str:
    """The --model of a program; the path of the shipped one, which the program then says, where none is named."""
    if model is not None:
        return model
    print("no --model is named: the shipped one of toy faces (8 x 8 to 32 x 32 pixels)", flush=True)
    return str(TOY_FACES)
