"""Making the pictures of recipes again, from files: what scripts/upscale.py --recipe does."""

import sys
from pathlib import Path

from lag.explorer.recipe import Recipe
from lag.explorer.rendering import render
from lag.explorer.result_file import encode, recipes_in
from lag.upscaling.one_picture import Upscaler
from lag.upscaling.picture_file import Picture, read_picture
from lag.upscaling.sources import find_sources
from libml.errors import UserError
from libml.system.files import user_errors, write_atomic

MOST_BYTES = 1 << 26  # of a file of recipes


def load_recipes(path: Path) -> list[Recipe]:
    """The recipes of a PNG or of a file of JSON lines.

    Raises:
        UserError: naming the file.
    """
    with user_errors(path, "read"):
        if path.exists() and not path.is_file():  # reading a pipe or a device could wait for ever
            raise UserError(f"cannot read {path}: it is no regular file")
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path} has more than {MOST_BYTES} bytes: that is no file of recipes")
        data = path.read_bytes()
    try:
        return recipes_in(data)
    except UserError as e:
        raise UserError(f"{path}: {e}") from None


def make_again(model: Upscaler, recipes: list[Recipe], source: Path, output: Path, overwrite: bool) -> None:
    """Writes the picture of each recipe as lag_DIGEST.png.

    Args:
        model: the generator.
        recipes: of its pictures.
        source: the small picture, or a folder that it is in.
        output: folder for the large ones.
        overwrite: replace files of these names whose contents differ.

    Raises:
        UserError: if a small picture is missing, a recipe does not fit, or a file is in the way.
    """
    small = _pictures(model, source, output, {recipe.picture for recipe in recipes})
    for recipe in recipes:
        picture = small[recipe.picture]
        data = encode(render(model, picture, recipe), picture, recipe, model.scale)
        path = output / f"lag_{recipe.digest()}.png"
        if path.exists() and not overwrite and path.read_bytes() != data:
            raise UserError(f"{path} is there, and is another picture: choose another --output, or --overwrite it")
        write_atomic(path, data)
        print(f"wrote {path}")


def _pictures(model: Upscaler, source: Path, output: Path, wanted: set[str]) -> dict[str, Picture]:
    """The small pictures by their hashes."""
    found: dict[str, Picture] = {}
    sources = find_sources(source, output)
    for name in sources.names:
        path = sources.root / name
        if wanted <= found.keys():
            break
        try:
            picture = read_picture(path, model.colors, model.scale)
        except UserError as e:
            if len(sources.names) == 1:
                raise UserError(f"{path}: {e}") from None
            print(f"warning: {path}: {e}", file=sys.stderr)
            continue
        if picture.content in wanted:
            found[picture.content] = picture
    if missing := sorted(wanted - found.keys()):
        raise UserError(f"--input={source} does not hold the picture {missing[0][:12]} that the recipe is of")
    return found
