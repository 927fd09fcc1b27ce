"""Flags of every program: wrong types, huge, negative, not finite, empty, strange text, unknown ones, missing ones."""

import functools
import re
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.fuzzing import words
from tests.fuzzing.places import EDSR, LAG_FLAGS, RUN, TF1, TRAINED, bring
from tests.fuzzing.trial import ROOT, Trial

STOP_AFTER = 6.0  # seconds: what is taken as it is may rightly train for hours


class Base(NamedTuple):
    """Good words, and what they need."""

    program: str
    flags: tuple[str, ...]
    needs: tuple[str, ...] = ("data",)


def _compared(name: str, *more: str) -> Base:
    lengths = ("--batch=512", "--total_kimg=1", "--data_dir=data", "--train_dir=new")
    return Base(f"{name}.py", ("--dataset=cifar10", "--scale=4", "--filters=4", *lengths, *more))


DRY = Base("lag.py", (*LAG_FLAGS, "--dry_run"))
BASES = (
    *(DRY, DRY, DRY),
    Base("lag.py", LAG_FLAGS, ("data", "runs")),
    Base("lag.py", (f"--resume={RUN}", "--data_dir=data", "--noexport"), ("data", "runs")),
    _compared("edsr", "--repeat=1"),
    Base("edsr.py", (f"--resume={EDSR}", "--data_dir=data"), ("data", "runs")),
    _compared("srgan", "--blocks=1", "--layer_name=conv1_1"),
    _compared("srgan2", "--blocks=1", "--pcp_weight=0"),
    _compared("cgan", "--blocks=1", "--noise=2"),
    Base(
        "scripts/lag_generate_candidates.py",
        (f"--run={RUN}", "--data_dir=data", "--samples=0,1", "--ncand=2", "--output=new.png"),
        ("data", "runs"),
    ),
    Base(
        "scripts/figures.py",
        (f"--run={RUN}", "--data_dir=data", "--figure=noise", "--samples=0", "--columns=2", "--output=new.png"),
        ("data", "runs"),
    ),
    Base(
        "scripts/evaluate.py",
        (f"--run={RUN}", "--data_dir=data", "--images=2", "--samples=1", "--output=new"),
        ("data", "runs"),
    ),
    Base("scripts/export.py", (f"--run={RUN}", "--output=new", "--weights=float32"), ("runs",)),
    Base("scripts/import_tf1.py", (f"--run={TF1}/LAG_*", "--train_dir=new", "--dataset=cifar10"), ("tf1",)),
    *2
    * (
        Base(
            "scripts/upscale.py",
            ("--model=export", "--input=pictures", "--output=new", "--samples=2", "--noise=1", "--tile=64"),
            ("export", "pictures"),
        ),
        Base(
            "scripts/create_datasets.py",
            ("--input=pictures", "--name=cats", "--data_dir=data", "--workers=1", "--test_fraction=0.5", "--size=8"),
            ("data", "pictures"),
        ),
    ),
    Base(
        "scripts/upscale.py",
        (f"--model={RUN}", "--input=pictures", "--output=new", "--best=1", "--of=2", "--tile=64"),
        ("runs", "pictures"),
    ),
    Base("scripts/create_datasets.py", ("--check=pets", "--data_dir=data")),
    Base(
        "scripts/benchmark_dataset.py",
        ("--dataset=cifar10", "--data_dir=data", "--batch=2", "--samples=4", "--repeats=1", "--scale=4"),
    ),
    Base(
        "scripts/benchmark_step.py",
        ("--sizes=S", "--batch=1", "--seconds=0.1", "--set=filters=8,filters_min=4,blocks=1,noise_dim=2"),
        (),
    ),
    Base("scripts/benchmark_startup.py", ("--only=help", "--repeats=1"), ()),
    Base("scripts/check_machine.py", ("--parts=facts", "--minutes=1", "--output=new"), ()),
    Base("scripts/startup_probe.py", ("new.json", "1", f"{ROOT}/lag.py", "--scale=x"), ()),
)
CONFIGS = ("libml/training/config.py", "lag/config.py", "libml/compared/method.py", "libml/compared/adversarial.py")
TYPES = {"int": "integer", "float": "float", "str": "string", "bool": "boolean"}
OWN_TEXTS = {  # near what is right
    "samples": ("0-", "-0", "1-0", "0-9999999999", "99999999999", "²", "0,,1", "0;1", "0-1-2", "0 - 1", "1" * 5000),
    "dataset": (
        "pets",
        "pets0",
        "pets8",
        "pets99999999",
        "Pets8",
        "cifar10 ",
        "all32",
        "bedroom128",
        "pets٣2",
        "pets²",
        "pets-8",
    ),
    "name": ("cifar10", "cats8", "c/ats", ".cats", "cats\n", "CON", "lsun", "é" * 10, "a" * 250, "c" * 260),
    "background": ("#fff", "#ff88", "rgb(300,0,0)", "hsl(1,2%,3%)", "transparent", "#ffffffff", "hsv(0,0%,200%)"),
    "weights": ("float64", "int8", "FLOAT32"),
    "check": ("cifar10", "pets-train.tfrecord", "../data/pets", "Models", "pets.json"),
    "gpus": ("0", "0,0", "-1", "0,", "x", "99999999999"),
    "phase": ("0", "1-3", "3-2", "4", "1-2-3", "²", "a-b"),
    "set": (
        "blocks",
        "blocks=",
        "=1",
        "blocks=x",
        "precision=tf32",
        "batch=0",
        "seed=1e9",
        "progressive=maybe",
        "x=y=z",
    ),
    "layer_name": ("conv9_9", "conv2_1", "pool1"),
    "run": ("runs", "data", "export"),
    "model": ("runs", "data", "export/saved_model.pb"),
    "resume": ("runs", "data", "export"),
    "input": ("data", "pictures/0.png", "new", "export/saved_model.pb", "nowhere"),
    "output": (
        "pictures",
        "pictures/0.png",
        "pictures/new",
        "runs",
        RUN,
        f"{RUN}/args/args.json/x",
        "data/pets.json/x",
    ),
    "critic": ("runs", "data"),
    "inception_weights": ("data", "nowhere", f"{RUN}/args/args.json"),
    "data_dir": ("pictures", "nowhere", "data/cifar10-train.tfrecord"),
    "train_dir": ("data/cifar10-train.tfrecord", "/proc/x"),
}
STRANGERS = (
    *(
        "--nonsense",
        "--nonsense=1",
        "-x",
        "---",
        "--=",
        "--=5",
        "--no",
        "--nono",
        "nonsense",
        "",
        "-",
        "--é",
        "--batch",
        "--\udcff",
    ),
    *(
        "--flagfile=nowhere",
        "--flagfile=data/Models/vgg19.npy",
        "--flagfile=data",
        "--undefok=x",
        "--undefok=",
        "-1",
        "--seed 1",
    ),
)


@functools.cache
def flags_of(program: str) -> dict[str, str]:
    """Name -> type of a program's flags, from its source and, of training programs, that of the parameters."""
    text = (ROOT / program).read_text()
    found = {name: kind for kind, name in re.findall(r'flags\.DEFINE_(\w+)\(\s*"(\w+)"', text) if kind != "alias"}
    if not program.startswith("scripts/"):
        files = (*CONFIGS[: 2 if program == "lag.py" else None], program)
        for file in files:
            for name, kind in re.findall(r"^    (\w+): (\w+) = option\(", (ROOT / file).read_text(), re.MULTILINE):
                found[name] = TYPES[kind]
        shared = re.findall(r'    flags\.DEFINE_(\w+)\("(\w+)"', (ROOT / "libml/app.py").read_text())
        found |= {name: kind for kind, name in shared}
    return found


def value(chance: Random, name: str, kind: str) -> str:
    """A bad value, or one that is good by chance."""
    if chance.randrange(8) == 0:
        kind = "string"
    if kind in ("integer", "float"):
        return chance.choice(words.INTEGERS if kind == "integer" else words.FLOATS)
    if kind == "boolean":
        return chance.choice(words.BOOLEANS)
    own = OWN_TEXTS.get(name, ())
    if own and chance.randrange(2):
        return chance.choice(own)
    return chance.choice(words.TEXTS)


def make(chance: Random, box: Path, kit: Path) -> Trial:
    """A program with one or two of its flags spoilt."""
    base = chance.choice(BASES)
    bring(kit, box, *base.needs)
    given = [_only_match(box, flag) for flag in base.flags]
    known = flags_of(base.program)
    for _ in range(chance.choice((1, 1, 1, 2))):
        _spoil(chance, given, known)
    may_add = ("*",)  # where, the spoilt flags say
    return Trial(base.program, tuple(given), may_add=may_add, may_change=TRAINED, stop_after=STOP_AFTER)


def _only_match(box: Path, flag: str) -> str:
    """A flag with a pattern made the path that it stands for."""
    name, _, pattern = flag.partition("=")
    return f"{name}={next(box.glob(pattern)).relative_to(box)}" if "*" in pattern else flag


def _spoil(chance: Random, given: list[str], known: dict[str, str]) -> None:
    way = chance.randrange(20)
    if way == 0:
        given.insert(chance.randrange(len(given) + 1), chance.choice(STRANGERS))
    elif way == 1 and given:
        given.pop(chance.randrange(len(given)))
    elif way == 2 and given:
        flag = chance.choice(given)
        given.append(flag.partition("=")[0])  # without its value
    else:
        used = [name for name in known if any(flag.startswith(f"--{name}=") for flag in given)]
        if not known:  # it takes words, and writes to the first
            given[1:3] = chance.choice((given[1:2], given[2:3], [chance.choice(words.FLOATS), "nowhere"]))
            return
        name = chance.choice(used if used and chance.randrange(2) else sorted(known))
        given[:] = [flag for flag in given if not flag.startswith(f"--{name}=")]
        word = value(chance, name, known[name])
        given += [f"--{name}", word] if chance.randrange(6) == 0 else [f"--{name}={word}"]
