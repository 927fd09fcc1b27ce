"""Which paths of pictures and results cannot be. It imports nothing that takes time."""

from pathlib import Path

from libml.errors import UserError


def check_paths(source: Path, output: Path, in_part: bool = False) -> None:
    """Refuses what find_sources refuses, as far as it can be seen without listing the folder.

    Args:
        source: the folder or the file.
        output: folder of the results.
        in_part: whether only some of a folder's pictures are to be taken.

    Raises:
        UserError: saying why.
    """
    if source.is_file():
        if in_part:
            raise UserError(f"--shard takes a part of a folder's pictures, and --input={source} is a file")
    elif not source.is_dir():
        raise UserError(f"--input={source} does not exist")
    elif source.resolve() == output.resolve():
        raise UserError("--output is the folder of --input, whose pictures would mix with the results: choose another")
