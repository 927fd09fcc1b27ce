"""What every program does around its main function: flags from a config, one line for a user's mistake."""

import dataclasses
import os
import sys
from collections.abc import Callable
from typing import Any

from absl import app, flags, logging

from libml.config import RunConfig
from libml.errors import UserError

_DEFINE = {int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string, bool: flags.DEFINE_boolean}


def define_flags(config: type[RunConfig]) -> None:
    """Defines a flag for each field of a config."""
    for field in dataclasses.fields(config):
        _DEFINE[type(field.default)](field.name, field.default, field.metadata["help"])


def config_from_flags(config: type[RunConfig]) -> Any:
    """The validated config that the flags say.

    Raises:
        UserError: for the first parameter that cannot be.
    """
    values = flags.FLAGS.flag_values_dict()
    made = config(**{field.name: values[field.name] for field in dataclasses.fields(config)})
    made.validate()
    return made


def default_data_dir() -> str:
    """$ML_DATA, or ./data."""
    return os.environ.get("ML_DATA", "data")


def run(main: Callable[[], int | None]) -> None:
    """Runs a program: a UserError becomes one line on stderr and exit status 1."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow is imported later, by main

    def guarded(argv: list[str]) -> int | None:
        try:
            logging.set_verbosity(logging.WARNING)  # libraries announce each of their steps
            if len(argv) > 1:
                raise UserError(f"unexpected argument {argv[1]!r}: flags are written --name=value")
            return main()
        except UserError as e:
            print(f"error: {e}", file=sys.stderr)
            return 1

    app.run(guarded)
