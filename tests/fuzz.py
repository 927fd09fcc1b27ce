"""Throws bad input at the programs: python -m tests.fuzz --seconds=1800 --seed=0

Right is a success, or one clear line and a status other than 0, in time, with everything that was there before still
there. All else is a failure: it is printed and kept with what brings it about. Each trial is a function of
(seed, kind, number); --kind and --number repeat one.
"""

import argparse
import dataclasses
import json
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from tests.fuzzing.judge import faults
from tests.fuzzing.kinds import KINDS, rounds
from tests.fuzzing.runner import Runner
from tests.fuzzing.snapshot import snapshot
from tests.fuzzing.trial import ROOT, Outcome, Trial

FRESH_EVERY = 40  # trials of a kind; such a one runs in a process that imports everything by itself
KEEP = ROOT / "build" / "fuzz"


@dataclasses.dataclass(frozen=True)
class Result:
    """One trial and what became of it."""

    kind: str
    seed: int
    number: int
    trial: Trial
    outcome: Outcome
    faults: list[str]

    @property
    def name(self) -> str:
        """Of the folder that keeps it."""
        return f"{self.kind}-{self.seed}-{self.number}"


class Fuzzer:
    """The kit, the warm process, and a sandbox after the other."""

    def __init__(self, runner: Runner):
        """Args: what runs trials. Makes the kit."""
        self.runner = runner
        self.kit = runner.folder / "kit"
        self.kit.mkdir()
        made = runner.run(Trial("tests/fuzzing/kit.py", (str(self.kit),)), self.kit)
        if made.status:
            raise RuntimeError(f"the kit could not be made:\n{made.err}")

    def prepare(self, kind: str, seed: int, number: int, box: Path) -> Trial:
        """Fills an empty sandbox."""
        return KINDS[kind](Random(f"{seed}/{kind}/{number}"), box, self.kit)

    def run(self, kind: str, seed: int, number: int) -> Result:
        """Runs one trial."""
        place = self.runner.folder / "places"
        box = place / "a" / "b" / "box"  # so that ../.. is ours, too
        box.mkdir(parents=True)
        try:
            trial = self.prepare(kind, seed, number, box)
            before = snapshot(box)
            outcome = self.runner.run(trial, box, fresh=number % FRESH_EVERY == FRESH_EVERY - 1)
            return Result(kind, seed, number, trial, outcome, faults(trial, outcome, before, snapshot(box)))
        finally:
            shutil.rmtree(place)

    def keep(self, result: Result, folder: Path) -> None:
        """Writes down a failure: its files as they were before, the command, what it said."""
        place = folder / result.name
        shutil.rmtree(place, ignore_errors=True)
        box = place / "box"
        box.mkdir(parents=True)
        self.prepare(result.kind, result.seed, result.number, box)
        content = {**dataclasses.asdict(result), "again": again(result)}
        (place / "failure.json").write_text(json.dumps(content, indent=1) + "\n")
        (place / "err").write_text(result.outcome.err, errors="backslashreplace")


def again(result: Result) -> str:
    """The command that repeats a trial."""
    return f"python -m tests.fuzz --seed={result.seed} --kind={result.kind} --number={result.number}"


def describe(result: Result) -> str:
    """A failure in a few lines."""
    words = " ".join(word if len(word) < 200 else f"{word[:200]}..." for word in result.trial.command)
    tail = "\n".join(f"    {line[:300]}" for line in result.outcome.err.splitlines()[-4:])
    text = f"{result.name}: {'; '.join(result.faults)}\n  {words!a}\n{tail}\n  {again(result)}"
    return text.encode(errors="backslashreplace").decode()


def table(counts: dict[str, Counter]) -> str:
    """Numbers of trials by kind."""
    heads = ("inputs", "succeeded", "refused", "stopped", "failures")
    lines = [f"{'kind':<12}" + "".join(f"{head:>11}" for head in heads) + f"{'s each':>11}"]
    total = sum(counts.values(), Counter())
    for name, count in [*counts.items(), ("all", total)]:
        each = count["seconds"] / max(1, count["inputs"])
        lines.append(f"{name:<12}" + "".join(f"{count[head]:>11}" for head in heads) + f"{each:>11.2f}")
    return "\n".join(lines)


def tally(result: Result) -> Counter:
    """What a result counts as."""
    outcome = result.outcome
    if result.faults:
        became = "failures"
    elif outcome.stopped:
        became = "stopped"
    else:
        became = "refused" if outcome.status else "succeeded"
    return Counter({"inputs": 1, "seconds": outcome.seconds, became: 1})


def main() -> int:
    """Runs trials until the time is over; 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind; may be repeated")
    parser.add_argument("--number", type=int, help="only the trial of this number, of one --kind")
    parser.add_argument("--start", type=int, default=0, help="number of each kind's first trial")
    parser.add_argument("--keep", type=Path, default=KEEP, help="folder for failures")
    parser.add_argument("--patience", type=float, default=1.0, help="by how much to stretch the limits of time")
    parser.add_argument("--verbose", action="store_true", help="print every trial")
    args = parser.parse_args()
    counts: dict[str, Counter] = {kind: Counter() for kind in args.kind or KINDS}
    numbers = Counter(dict.fromkeys(counts, args.start))
    order = [kind for kind in rounds() if kind in counts]
    with Runner(patience=args.patience) as runner:
        fuzzer, end, turn = Fuzzer(runner), time.monotonic() + args.seconds, 0
        while time.monotonic() < end:
            kind = order[turn % len(order)]
            result = fuzzer.run(kind, args.seed, numbers[kind] if args.number is None else args.number)
            turn += 1
            numbers[kind] += 1
            counts[kind] += tally(result)
            if result.faults:
                fuzzer.keep(result, args.keep)
                print(describe(result), flush=True)
            if args.verbose or args.number is not None:
                print(f"{result.name}: {result.outcome.status} in {result.outcome.seconds:.1f} s", result.trial.command)
            if args.number is not None:
                print(f"{result.outcome.out}\n{result.outcome.err}".encode(errors="backslashreplace").decode())
                break
    print(table(counts))
    return 1 if any(count["failures"] for count in counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
