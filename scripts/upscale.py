"""Makes sets of plausible large pictures from small ones: a file, or a folder and its subfolders.

python scripts/upscale.py [--model=RUN_OR_EXPORT] --input=small/ --output=large/ --samples=4
python scripts/upscale.py small/ large/
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin()

import math
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from lag.box import named_or_shipped
from lag.upscaling.result_kinds import KINDS
from libml import app
from libml.errors import UserError
from libml.system import outputs
from libml.system.store_path import to_path
from libml.training.run_names import find_model

if TYPE_CHECKING:
    from lag.upscaling.shards import Shard

MOST_SAMPLES = 10_000  # of one picture
DEEP = [name for name, kind in KINDS.items() if kind.deep]
FAILED = 3  # exit status when some of the files could not be upscaled

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "Folder of a run or an export, or an ONNX file; without it, the shipped toy faces.")
flags.DEFINE_string("input", None, "A picture, or a folder of them; the first word that is no flag, too.")
flags.DEFINE_string("output", None, "Folder for the large ones; the second word, too.")
flags.DEFINE_integer("samples", 4, "Results a picture; the first is the centre, z = 0.")
flags.DEFINE_float("noise", None, "Standard deviation of z of the others; by default what the model recommends.")
flags.DEFINE_integer("seed", 0, "Seed of the noise.")
flags.DEFINE_enum("format", "png", list(KINDS), "Kind of files of the results.")
flags.DEFINE_enum("bits", "8", ["8", "16"], f"Bits a channel of the results; 16 with --format={' and '.join(DEEP)}.")
flags.DEFINE_boolean("grid", False, "Also write a picture of the input beside its results.")
flags.DEFINE_boolean(
    "consistent",
    False,
    "Shift each result so that its box means equal the input; by default where training did so, with box means.",
)
flags.DEFINE_integer("tile", 64, "Side in input pixels of the tiles that large pictures are made in.")
flags.DEFINE_boolean("yes", False, "Make results of more than 67 million pixels a picture, which take long.")
flags.DEFINE_boolean("overwrite", False, "Make again what is there already.")
flags.DEFINE_integer("best", 0, "Keep so many of --of samples: those the critic finds most realistic. Needs a run.")
flags.DEFINE_integer("diverse", 0, "Keep so many of --of samples: the centre and those farthest apart. Needs a run.")
flags.DEFINE_string("recipe", None, "A PNG of the explorer, or a file of its JSON lines: make these pictures again.")
flags.DEFINE_integer("of", 16, "How many samples --best and --diverse choose among.")
flags.DEFINE_string(
    "shard",
    None,
    "Take one part of the folder, as 3/64; auto: that of a Slurm array's task or a Kubernetes Indexed Job's.",
)
flags.DEFINE_boolean("merge", False, "Join the tables of all shards and say what is missing; makes no pictures.")


def chosen() -> dict:
    """The options that say how many results to make, and how they are chosen.

    Raises:
        UserError: if the flags contradict each other.
    """
    if FLAGS.best and FLAGS.diverse:
        raise UserError("--best and --diverse are two ways to choose: use one")
    if not (FLAGS.best or FLAGS.diverse):
        if FLAGS["of"].present:
            raise UserError("--of says how many samples to choose among: add --best or --diverse")
        return {"samples": FLAGS.samples}
    if FLAGS["samples"].present:
        raise UserError("--best and --diverse say how many results to keep: leave out --samples")
    way = "best" if FLAGS.best else "diverse"
    if FLAGS.model is None:
        raise UserError(f"--{way} needs a run's critic, which the shipped model lacks: add --model=RUN")
    if not 0 < FLAGS[way].value <= FLAGS.of:
        raise UserError(f"--{way}={FLAGS[way].value} must be from 1 to --of={FLAGS.of}")
    return {"samples": FLAGS[way].value, "choose": way, "of": FLAGS.of}


def make_again() -> None:
    """Makes the pictures of --recipe.

    Raises:
        UserError: if other flags are given that the recipe answers, or a picture cannot be made.
    """
    answered = ("samples", "noise", "seed", "format", "bits", "grid", "consistent", "tile", "best", "diverse", "of")
    answered += ("shard",)
    if given := [name for name in answered if FLAGS[name].present]:
        raise UserError(f"--recipe says how to make its pictures: leave out --{given[0]}")
    source, output = paths()
    from lag.explorer import remaking

    recipes = remaking.load_recipes(to_path(FLAGS.recipe))
    path = find_model(named_or_shipped(FLAGS.model))
    with app.importing():  # TensorFlow, where the model needs it
        from lag.formats.registry import load_model

        model = load_model(path)
    remaking.make_again(model, recipes, source, output, FLAGS.overwrite)


def merge_shards() -> int:
    """Joins the tables of shards; 3 if pictures are missing.

    Raises:
        UserError: if flags are given that say how to make pictures, or the shards do not agree.
    """
    here = FLAGS.find_module_defining_flag("merge")
    own = [name for name in FLAGS if FLAGS.find_module_defining_flag(name) == here]
    if given := [name for name in own if FLAGS[name].present and name not in ("input", "output", "merge")]:
        raise UserError(f"--merge joins the tables of what was made: leave out --{given[0]}")
    from lag.upscaling.merging import merge

    return FAILED if merge(to_path(FLAGS.input), to_path(FLAGS.output)) else 0


def take_paths(words: list[str]) -> None:
    """Sets --input and --output from words where the flags are not given.

    Raises:
        UserError: if one is missing, or there are more words.
    """
    rest = iter(words)
    for name in ("input", "output"):
        if FLAGS[name].value is None and (word := next(rest, None)) is not None:
            FLAGS[name].value = word
    if (more := next(rest, None)) is not None:
        raise UserError(f"unexpected argument {more!r}: there is one --input, a picture or a folder, and one --output")
    if missing := [f"--{name} is missing" for name in ("input", "output") if not FLAGS[name].value]:
        raise UserError(f"{'; '.join(missing)}; write upscale.py INPUT OUTPUT; --help lists the flags")


def main(words: list[str]) -> int:
    """Upscales, or joins the tables of shards; 3 if some pictures failed or are missing."""
    take_paths(words)
    if FLAGS.merge:
        return merge_shards()
    if FLAGS.recipe is not None:
        make_again()
        return 0
    return upscale()


def paths(in_part: bool = False) -> tuple[Path, Path]:
    """--input and --output, of which is found here what needs no model to be found.

    Args:
        in_part: whether --shard is given.

    Raises:
        UserError: if they cannot be.
    """
    from lag.upscaling.paths import check_paths

    source, output = to_path(FLAGS.input), to_path(FLAGS.output)
    check_paths(source, output, in_part)
    outputs.check_folder("output", FLAGS.output)
    return source, output


def checked_shard() -> "Shard | None":
    """The part that --shard means, None for all."""
    if FLAGS.shard is None:
        return None
    from lag.upscaling.shards import parse

    return parse(FLAGS.shard, os.environ)


def check_numbers() -> None:
    """Refuses numbers that are out of range.

    Raises:
        UserError: naming the first.
    """
    for name, least in (("samples", 1), ("tile", 1), ("noise", 0), ("of", 1)):
        if FLAGS[name].value is not None and not least <= FLAGS[name].value < math.inf:  # nor is NaN
            raise UserError(f"--{name}={FLAGS[name].value} must be a number of at least {least}")
    for name in ("samples", "of"):
        if FLAGS[name].value > MOST_SAMPLES:
            raise UserError(f"--{name}={FLAGS[name].value} must be at most {MOST_SAMPLES}")
    if FLAGS.bits == "16" and FLAGS.format not in DEEP:
        raise UserError(f"--format={FLAGS.format} has 8 bits a channel: --bits=16 needs --format={' or '.join(DEEP)}")


def upscale() -> int:
    """Loads the model and upscales; 3 if some files failed."""
    check_numbers()
    choice, shard = chosen(), checked_shard()
    source, output = paths(in_part=shard is not None)
    FLAGS.model = str(find_model(named_or_shipped(FLAGS.model)))
    with app.importing():  # TensorFlow, where the model needs it
        from lag.formats.card import is_noise_found, recommended_noise
        from lag.formats.registry import load_model
        from lag.upscaling.choosing import Options
        from lag.upscaling.folder import upscale_all

        critic = None
        if choice.get("choose"):
            from lag.trained import load_critic

            critic = load_critic(FLAGS.model)
        model = load_model(FLAGS.model)
    if not model.noise_dim:
        if choice.get("choose") or (FLAGS["samples"].present and FLAGS.samples > 1):
            raise UserError(f"{model.card['method']} takes no noise, so a picture has one result: use --samples=1")
        choice = {"samples": 1}
    if FLAGS.noise is None:
        FLAGS.noise = recommended_noise(model.card)
        if model.noise_dim:
            spread = "" if FLAGS.noise == 1 else "--noise=1 is the whole spread, "
            found = is_noise_found(model.card, FLAGS.model)
            origin = "as the model recommends" if found else "the default, as no evaluation of the model found one"
            print(f"noise {FLAGS.noise:g}, {origin}; {spread}--noise=0 the centre")
    common = {k: FLAGS[k].value for k in ("noise", "seed", "tile", "grid", "overwrite")}
    consistent = FLAGS.consistent if FLAGS["consistent"].present else model.consistent
    common |= {
        "consistent": consistent,
        "large": FLAGS.yes,
        "model_path": FLAGS.model,
        "format": FLAGS.format,
        "bits": int(FLAGS.bits),
    }
    options = Options(**common, **choice)
    failed = upscale_all(model, critic, source, output, options, shard)
    return FAILED if failed else 0


if __name__ == "__main__":
    app.run(main, arguments=True, when_stopped="what was made is kept, the same command goes on")
