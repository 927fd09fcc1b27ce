"""What every program does around its main function: flags from a config, one line for a user's mistake."""

import contextlib
import dataclasses
import gc
import logging as std_logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from absl import app, flags, logging

from libml.errors import UserError, printable
from libml.system import ending, environment, interrupts, outputs, starting
from libml.system.files import is_folder
from libml.system.interrupts import Stopped
from libml.system.store_path import StorePath, to_path
from libml.system.tf_config import place
from libml.training.config import RunConfig
from libml.training.run_folder import RunFolder, check_same_run, from_args, load_args
from libml.training.run_names import find_run

LONGEST_LINE = 1000  # characters of a mistake
MOST_CPUS = 64
# What other programs, or the reference's, call what a program may have under another name.
ELSEWHERE = {
    **{"blocks": ("repeat",), "repeat": ("blocks",)},
    **{"run": ("model", "resume"), "ckpt": ("model", "resume"), "model": ("run", "resume"), "input": ("run",)},
    **{"ncand": ("columns", "samples"), "columns": ("ncand", "samples")},
    **{"output": ("train_dir", "data_dir"), "out": ("output",), "save_to": ("output",)},
}

_DEFINE = {int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string, bool: flags.DEFINE_boolean}


def define_flags(config: type[RunConfig]) -> None:
    """Defines a flag for each field of a config."""
    for field in dataclasses.fields(config):
        _DEFINE[type(field.default)](field.name, field.default, field.metadata["help"])
    _show_in_help(*(field.name for field in dataclasses.fields(config)))


def define_run_flags() -> None:
    """Defines the flags of every training program that are no part of a run's config."""
    define_data_dir()
    flags.DEFINE_list("gpus", None, "Which GPUs to use, as 0,2; by default all. TF_CONFIG names further machines.")
    define_cpus()
    flags.DEFINE_boolean("skip_bad_records", False, "Skip and count records that cannot be read, instead of stopping.")
    flags.DEFINE_boolean("deterministic", False, "Use only operations whose result never depends on timing.")
    flags.DEFINE_string(
        "resume", "", "Run to go on with under its parameters; docs/training.md lists which may change."
    )
    flags.DEFINE_boolean("reset", False, "Forget what the run's folder holds and train from scratch.")
    flags.DEFINE_boolean("dry_run", False, "Print the phases, networks, length and an estimate of the time, then exit.")
    _show_in_help("data_dir", "gpus", "cpus", "skip_bad_records", "deterministic", "resume", "reset", "dry_run")


def define_cpus() -> None:
    """Defines --cpus."""
    flags.DEFINE_integer("cpus", 1, "Devices to make of the CPU, to try what several do; without GPUs only.")


def checked_cpus() -> int:
    """The value of --cpus.

    Raises:
        UserError: if it is out of range.
    """
    if not 1 <= flags.FLAGS.cpus <= MOST_CPUS:
        raise UserError(f"--cpus={flags.FLAGS.cpus} must be from 1 to {MOST_CPUS}")
    return flags.FLAGS.cpus


def define_data_dir() -> None:
    """Defines --data_dir."""
    text = "Folder of the datasets; by default the run's, then $ML_DATA, then ./data."
    flags.DEFINE_string("data_dir", default_data_dir(), text)
    _show_in_help("data_dir")


def _show_in_help(*names: str) -> None:
    """Makes flags defined here the program's own: --help shows no others."""
    for name in names:
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])


def config_and_folder(config: type[RunConfig]) -> tuple[Any, Path]:
    """The validated config that the flags say, and the run's folder.

    With --resume, that run's parameters take the place of the flags that are not given.

    Raises:
        UserError: for the first parameter that is not valid, or that a resumed run cannot change; for an unknown
            dataset, or one that does not fit the parameters.
    """
    resume = flags.FLAGS.resume and find_run(flags.FLAGS.resume)
    if resume and resume != to_path(flags.FLAGS.resume):
        print(f"--resume={flags.FLAGS.resume} is {resume}", flush=True)
    names = [field.name for field in dataclasses.fields(config)]
    given = {name: flags.FLAGS[name].value for name in names if flags.FLAGS[name].present}
    if not resume:
        made = config(**{name: flags.FLAGS[name].value for name in names})
        made = made.with_presets(given)
    else:
        made = dataclasses.replace(from_args(config, load_args(resume)), **given)
    made.validate()
    if not resume or flags.FLAGS["total_kimg"].present:  # older runs may have been asked for less than they did
        made.check_total(begun=bool(resume))
    folder = resume if resume else made.folder
    if RunFolder(folder).is_run() and not flags.FLAGS.reset:
        made = _as_begun(made, folder, given) if not resume else made
        check_same_run(made, folder)
        flags.FLAGS.data_dir = data_dir_of(folder)
    # Training asks these again; asked here, the answer does not wait for TensorFlow.
    from libml.datasets.catalogue import lookup_fitting  # which --help need not wait for

    dataset = lookup_fitting(made.dataset, flags.FLAGS.data_dir, made.scale, made.downscaler)
    if (few := dataset.smaller)[0]:
        print(f"{few[0]} of {few[1]} images are smaller than {dataset.size} and will be enlarged", file=sys.stderr)
    made.schedule()
    return made, folder


def _as_begun(config: RunConfig, folder: Path, given: dict[str, Any]) -> RunConfig:
    """With the presets that the folder's run began with, which may be older than those of today."""
    began = from_args(type(config), load_args(folder))
    kept = {name: getattr(began, name) for name in config.presets if name not in given}
    return dataclasses.replace(config, **kept)


def check_folder(folder: Path) -> None:
    """Refuses the folder of a run that this process, if no other one, will write and cannot.

    Raises:
        UserError: naming the flag that led to it; if TF_CONFIG makes no sense.
    """
    if place(os.environ.get("TF_CONFIG"))[0] == 0:
        outputs.check_place("resume" if flags.FLAGS.resume else "train_dir", folder.absolute())


def run_options(*more: str) -> dict[str, Any]:
    """Values of the flags that say how a run is trained, and of `more` flags, by name."""
    return {name: flags.FLAGS[name].value for name in ("data_dir", "reset", "skip_bad_records", *more)}


def device_options() -> dict[str, Any]:
    """What --gpus, --deterministic and TF_CONFIG say, for libml.system.devices.make_devices.

    Raises:
        UserError: if --gpus are not numbers, or --cpus is out of range.
    """
    cpus = checked_cpus()
    try:
        gpus = None if flags.FLAGS.gpus is None else [int(i) for i in flags.FLAGS.gpus]
    except ValueError:
        raise UserError(f"--gpus={','.join(flags.FLAGS.gpus)}: write numbers, as 0,2") from None
    return {
        "gpus": gpus,
        "cpus": cpus,
        "deterministic": flags.FLAGS.deterministic,
        "tf_config": os.environ.get("TF_CONFIG"),
    }


def fetched_by_keras(name: str) -> str:
    """The path of a file of weights that Keras has fetched before; '' if it has not."""
    path = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models" / name
    return str(path) if path.is_file() else ""


def default_data_dir() -> str:
    """$ML_DATA, or ./data; an empty variable says nothing."""
    return os.environ.get("ML_DATA") or "data"


def data_dir_of(run: str | os.PathLike | StorePath, dataset: str = "") -> str:
    """The data folder for a run's images: --data_dir if it is given, else the one that the run remembers, else the
    default.

    Args:
        run: its folder.
        dataset: another dataset than the run's, which the default folder may have instead.

    Raises:
        UserError: if the folder holds no run.
    """
    flag, remembered = flags.FLAGS["data_dir"], load_args(run).get("data_dir")
    if flag.present or not isinstance(remembered, str) or not remembered or remembered == flag.value:
        return flag.value
    if not is_folder(to_path(remembered)):
        print(f"the run's data folder {remembered} is not there: looking in {flag.value}", file=sys.stderr)
        return flag.value
    if dataset:
        from libml.datasets.finding import has_test_images

        if not has_test_images(dataset, remembered) and has_test_images(dataset, flag.value):
            return flag.value
    return remembered


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Wrap the import of TensorFlow, and of modules that import it, in this: it is quiet and takes a third less time.

    The import makes a million objects, all of which stay. The garbage collector would search them again and again,
    during the import and later.
    """
    gc.disable()
    try:
        with starting.quietly(environment.is_quiet()):
            yield
        # It warns of each function that it traces again, and its strategies announce themselves.
        std_logging.getLogger("tensorflow").setLevel(std_logging.ERROR)
    finally:
        gc.freeze()
        gc.enable()


def complain(mistake: Exception | str) -> None:
    """Prints a mistake as one line of bounded length on stderr, whatever it quotes."""
    text = printable(str(mistake)) or type(mistake).__name__
    if len(text) > LONGEST_LINE:
        text = f"{text[: LONGEST_LINE - 200]}...{text[-200:]}"  # the advice stands at the end
    print(f"error: {text}", file=sys.stderr)


def _plainly(text: str) -> str:
    """What absl says of a flag, in the words of these programs."""
    text = re.sub(r"^flag --(\w+)=None: Flag --\w+ must have a value other than None\.", r"--\1 is missing", text)
    text = re.sub(r"^flag (--\w+=.*): invalid literal for int\(\) with base 10: .*", r"\1 must be a whole number", text)
    return re.sub(r"^flag (--\w+=.*): could not convert string to float: .*", r"\1 must be a number", text)


def _hints(unknown: str) -> list[str]:
    """What flag may be meant by one that there is not."""
    negated = re.fullmatch(r"no[-_](.+)", unknown)
    if negated and (name := negated[1].replace("-", "_")) in flags.FLAGS and flags.FLAGS[name].boolean:
        return [f"here it is --no{name}"]
    return [f"here it is --{name}" for name in ELSEWHERE.get(unknown, ()) if name in flags.FLAGS]


def _parse(argv: list[str]) -> list[str]:
    """The words that are no flags; an unknown or invalid flag ends the program as a UserError does."""
    try:
        return flags.FLAGS(argv)
    except SystemExit:  # of --help, which absl ends with status 1
        sys.exit(0)
    except (flags.Error, UnicodeError) as e:  # the latter of a --flagfile that is no text
        unknown = getattr(e, "flagname", "") if isinstance(e, flags.UnrecognizedFlagError) else ""
        hints, text = _hints(unknown), str(e)
        if hints:
            text = text.partition(". Did you mean")[0]  # absl's guess, which of --no-export is --export
        complain("; ".join([*map(_plainly, text.splitlines()), *hints, "--help lists the flags"]))
        sys.exit(1)


def run(main: Callable[..., int | None], arguments: bool = False, when_stopped: str = "") -> None:
    """Runs a program. A mistake, or too little memory, is one line on stderr and exit status 1; Ctrl-C is one line and
    exit status 130, SIGTERM one line and 143.

    Args:
        main: what to run; it returns the exit status, or None for 0.
        arguments: whether it takes the list of words that are no flags; otherwise these are refused.
        when_stopped: what to say to who stopped it.
    """
    ending.stop_at_once()
    environment.set_defaults()  # TensorFlow is imported later, by main

    def begun(argv: list[str]) -> int | None:
        logging.set_verbosity(logging.WARNING)  # libraries announce each of their steps
        if arguments:
            return main(argv[1:])
        if len(argv) > 1:
            raise UserError(f"unexpected argument {argv[1]!r}: flags are written --name=value")
        return main()

    def guarded(argv: list[str]) -> int | None:
        try:
            with interrupts.stopping():
                return begun(argv)
        except UserError as e:
            complain(e)
        except OSError as e:  # as of a name that is too long for the file system to be asked about
            complain(f"{e.filename}: {e.strerror}" if e.filename else e)
        except Stopped as e:
            print(ending.line(e.number, when_stopped), file=sys.stderr)
            return 128 + e.number
        except Exception as e:
            if not isinstance(e, MemoryError) and type(e).__name__ != "ResourceExhaustedError":  # TensorFlow's
                raise
            complain(f"there is too little memory ({e or type(e).__name__}): ask for less, or free some")
        return 1

    gc.freeze()  # what has been imported by now stays
    try:
        app.run(guarded, flags_parser=_parse)
    finally:
        gc.freeze()  # the rest goes with the process: Python need not look through it for garbage once more
