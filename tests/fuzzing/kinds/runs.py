"""Run folders: spoilt checkpoints, parameters and other files, read by all that reads runs."""

import dataclasses
from pathlib import Path
from random import Random

from tests.fuzzing.damage import spoil_file, spoil_folder, spoil_json
from tests.fuzzing.places import EDSR, LAG_FLAGS, NOISE, RUN, TF1, TRAINED, bring
from tests.fuzzing.trial import Trial

DATA = ("--data_dir=data",)
READERS = {  # program: the words that name the run {run}, and what they need
    "scripts/upscale.py": ("--model={run}", "--input=pictures", "--output=new", "--samples=2"),
    "scripts/lag_generate_candidates.py": ("--run={run}", *DATA, "--samples=0", "--ncand=2", "--output=new.png"),
    "scripts/figures.py": (
        "--run={run}",
        *DATA,
        "--samples=0",
        "--columns=2",
        "--figure=progress",
        "--output=new.png",
    ),
    "scripts/export.py": ("--run={run}", "--output=new"),
    "scripts/evaluate.py": ("--run={run}", *DATA, "--images=2", "--samples=1", "--output=new"),
}
MOVED = (f"{RUN}/tf/ckpt-*",)  # put aside where they cannot be read


def _train(chance: Random) -> Trial:
    """Goes on with the run, by its flags or by its folder."""
    args = LAG_FLAGS if chance.randrange(2) else (f"--resume={RUN}", *DATA, "--noexport")
    return Trial("lag.py", args, may_add=(f"{RUN}/*",), may_change=TRAINED, may_move=MOVED, stop_after=15.0)


def _reader(chance: Random) -> Trial:
    program = chance.choice(("scripts/upscale.py",) * 2 + tuple(READERS))
    args = READERS[program]
    if program == "scripts/upscale.py" and chance.randrange(2):
        args = (*args[:-1], "--best=1", "--of=2")
    return Trial(program, tuple(word.format(run=RUN) for word in args), may_add=("new*", NOISE))


def _sandbox(box: Path, kit: Path) -> None:
    bring(kit, box, "runs", "data", "pictures")


def checkpoint(chance: Random, box: Path, kit: Path) -> Trial:
    """A spoilt checkpoint of a run of ours, or of the reference."""
    if chance.randrange(6) == 0:
        return _reference(chance, box, kit)
    _sandbox(box, kit)
    checkpoints = sorted((box / RUN / "tf").glob("ckpt-*"))
    for folder in checkpoints if chance.randrange(5) == 0 else checkpoints[-1:]:
        spoil_folder(chance, folder)
    return _train(chance) if chance.randrange(3) == 0 else _reader(chance)


def _reference(chance: Random, box: Path, kit: Path) -> Trial:
    bring(kit, box, "tf1")
    run = next((box / TF1).glob("LAG_*"))
    args = run / "args" / "args.json"
    if chance.randrange(3):
        spoil_folder(chance, run / "tf")
    else:
        args.write_bytes(spoil_json(chance, args.read_text()))
    words = (f"--run={run.relative_to(box)}", "--train_dir=new")
    return Trial("scripts/import_tf1.py", words, may_add=("new", "new/*"))


def args(chance: Random, box: Path, kit: Path) -> Trial:
    """Spoilt parameters in args.json."""
    _sandbox(box, kit)
    run = EDSR if chance.randrange(5) == 0 else RUN
    path = box / run / "args" / "args.json"
    path.write_bytes(spoil_json(chance, path.read_text()))
    if chance.randrange(10) == 0:
        spoil_file(chance, path)
    if run == EDSR:
        words = chance.choice(((f"--resume={EDSR}", *DATA), None))
        if words:
            may_change = tuple(p.replace(RUN, EDSR) for p in TRAINED)
            return Trial("edsr.py", words, may_add=(f"{EDSR}/*",), may_change=may_change, stop_after=15.0)
        words = READERS["scripts/lag_generate_candidates.py"]
        return Trial("scripts/lag_generate_candidates.py", tuple(w.format(run=EDSR) for w in words), may_add=("new*",))
    return _train(chance) if chance.randrange(3) == 0 else _reader(chance)


def anything(chance: Random, box: Path, kit: Path) -> Trial:
    """Other files of a run: what training left, or somebody put there."""
    _sandbox(box, kit)
    run = box / RUN
    way = chance.randrange(8)
    if way == 0:
        (run / "metrics.jsonl").write_bytes(
            chance.choice((b"", b"x", b'{"kimg": 1}\n{', b"\xff\n", b"[]\n", b'{"step": "x"}\n', b"null\n"))
        )
    elif way == 1:
        (run / "tf" / "summaries").mkdir()
        name = chance.choice(("events.out.tfevents.1.x", "events.out.tfevents.x", "x"))
        (run / "tf" / "summaries" / name).write_bytes(chance.choice((b"", b"x" * 100, chance.randbytes(300))))
    elif way == 2:
        (run / chance.choice((".lock", "metrics.jsonl", "tf/summaries", "export"))).mkdir(parents=True)
    elif way == 3:
        (run / chance.choice(("tf/summaries", "export", "tf/.ckpt-0000000001.tmp1", "tf/ckpt-1"))).write_bytes(b"x")
    elif way == 4:
        (
            run
            / "tf"
            / chance.choice(("ckpt-99999999999999999999", "ckpt-0000000000", "ckpt-x", "damaged-ckpt-0000003072"))
        ).mkdir()
    elif way == 5:
        target = run / "tf"
        target.rename(run / "elsewhere")
        target.symlink_to(chance.choice(("elsewhere", "nowhere", "tf")))
    elif way == 6:
        spoil_folder(chance, run)
    else:
        newest = sorted((run / "tf").glob("ckpt-*"))[-1]
        newest.rename(
            newest.with_name(
                chance.choice(("ckpt-0000000000", "ckpt-0000999999", "ckpt-0000001024", "ckpt-9223372036854775808"))
            )
        )
    train = dataclasses.replace(_train(chance), may_change=(*TRAINED, f"{RUN}/tf/.ckpt-*"))  # half a checkpoint
    if way in (1, 2, 3):
        return train if chance.randrange(4) else _reader(chance)
    return train if chance.randrange(2) else _reader(chance)
