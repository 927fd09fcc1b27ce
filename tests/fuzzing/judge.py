"""Whether what a program did is right: a success, or one clear line and a status; and nothing lost."""

import fnmatch
import re
import signal

from tests.fuzzing.trial import Outcome, Trial

LINE = re.compile(r"(error: |FATAL Flags parsing error: )(.*)")
CRASHES = ("Traceback (most recent call last)", "Fatal Python error", "terminate called", "Exception ignored in")
LONGEST = 2000  # characters of a clear line
MISTAKE, SOME_FAILED = (1, 2), 3
LEFTOVERS = re.compile(r"(^|/)\.[^/]*(\.tmp|\.old\d|\.building|\.ready)")


def faults(trial: Trial, outcome: Outcome, before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Everything that is wrong with an outcome, a line each; none where it is right.

    Args:
        trial: what was tried.
        outcome: what it did.
        before: the sandbox's snapshot before.
        after: and after.
    """
    return [*_ending(outcome), *_losses(trial, outcome, before, after)]


def _ending(outcome: Outcome) -> list[str]:
    if outcome.hung:
        return [f"did not end within {outcome.seconds:.0f} s"]
    found = []
    said = f"{outcome.out}\n{outcome.err}"
    found += [f"said {crash!r}" for crash in CRASHES if crash in said]
    if outcome.stopped and outcome.status in (-signal.SIGTERM, 128 + signal.SIGTERM, 0):
        return found
    if outcome.status < 0:
        return [*found, f"ended by {signal.Signals(-outcome.status).name}"]
    lines = [m[2] for line in re.split(r"[\r\n]+", outcome.err) if (m := LINE.match(line))]
    if outcome.status in MISTAKE and len(lines) != 1:
        found.append(f"status {outcome.status} and {len(lines)} lines that say why, instead of one")
    if outcome.status == SOME_FAILED and not (lines or "unusable: " in outcome.err):
        found.append("status 3 and no line that says which file failed")
    if outcome.status not in (0, *MISTAKE, SOME_FAILED):
        found.append(f"status {outcome.status}")
    found += ["a line that says nothing" for line in lines if not line.strip()]
    found += [f"a line of {len(line)} characters" for line in lines if len(line) > LONGEST]
    return found


def _losses(trial: Trial, outcome: Outcome, before: dict[str, str], after: dict[str, str]) -> list[str]:
    found = []
    for path, was in before.items():
        now = after.get(path)
        moved = _fits(path, trial.may_move) and was in after.values()
        if now != was and not moved and not _fits(path, trial.may_change):
            found.append(f"{path} is {'gone' if now is None else 'changed'}")
    for path in after.keys() - before.keys():
        if not _fits(path, trial.may_add):
            found.append(f"{path} is new, where nothing may be")
        elif LEFTOVERS.search(path) and not (outcome.stopped or outcome.hung):
            found.append(f"{path} is left over")
    return sorted(found)


def _fits(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)
