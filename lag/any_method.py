"""A trained generator of any method: LAG's, or that of a method which LAG is compared with."""

import importlib
from pathlib import Path

from lag.trained import Trained, load_trained
from libml.errors import UserError
from libml.system.store_path import to_path
from libml.training.run_folder import load_args

LAG_NAME = "LAG"
# Name of a compared method -> "module:class". The module is a program, so it is imported only when a run asks for it.
COMPARED = {
    "EDSR": "edsr:EDSR",
    "SRGAN": "srgan:SRGAN",
    "SRGAN2": "srgan2:SRGAN2",
    "cGAN": "cgan:CGAN",
}


def method_of(run: str | Path, args: dict) -> str:
    """The method of a run: as its args.json says, else the first word of the folder's name.

    Raises:
        UserError: if that is no method.
    """
    word = args.get("method") or to_path(run).resolve().name.partition("_")[0]
    if word in (LAG_NAME, *COMPARED):
        return word
    raise UserError(
        f"{run}: {word} is the name of no method ({', '.join((LAG_NAME, *COMPARED))}): "
        "give a run's folder under the name that training gave it"
    )


def load_any(run: str | Path, nimg: int | None = None) -> Trained:
    """The generator of a run of any method: of its newest checkpoint, or of the one after nimg images.

    Raises:
        UserError: if it is no trained run of a known method.
    """
    args = load_args(run)
    if (name := method_of(run, args)) == LAG_NAME:
        return load_trained(run, nimg)
    from libml.compared.trained import load_compared  # which upscaling with LAG need not wait for

    module, cls = COMPARED[name].split(":")
    return load_compared(getattr(importlib.import_module(module), cls), run, nimg)
