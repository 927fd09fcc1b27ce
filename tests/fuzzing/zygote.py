"""A process that has imported everything once and forks for each program that is to run.

python -m tests.fuzzing.zygote MODULE...

It reads tasks and writes answers, a JSON line each. No TensorFlow operation runs in it, so it has no threads that a
fork would lose: a child starts with all modules and is otherwise like a program just started - its exit, signals
included, is what a user would see.
"""

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import time

from tests.support import ROOT, warm


def become(task: dict) -> None:
    """Runs a task's program in this process, which is a child, within the task's bounds."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (task["memory"], task["memory"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if task["fresh"]:
        warm.redirect(task)
        os.execve(sys.executable, [sys.executable, str(ROOT / task["program"]), *task["args"]], task["env"])
    warm.become(task)


def watch(pid: int, seconds: float, stop_after: float) -> dict:
    """Waits for a child: its status, and whether it was sent SIGTERM or killed because it did not end."""
    begun, stopped, hung = time.monotonic(), False, False
    handle = os.pidfd_open(pid)
    if stop_after and not select.select([handle], [], [], stop_after)[0]:
        stopped = True
        os.kill(pid, signal.SIGTERM)
    if not select.select([handle], [], [], seconds)[0]:
        hung = True
    os.close(handle)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # also what a program that has ended left running
    _, status = os.waitpid(pid, 0)
    took = time.monotonic() - begun
    return {"status": os.waitstatus_to_exitcode(status), "hung": hung, "stopped": stopped, "seconds": took}


def main(modules: list[str]) -> None:
    """Imports, then does what it is told until its input ends. Returns in a child, once its program has ended."""
    tasks, answers = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "w")
    gc.disable()
    for module in modules:
        importlib.import_module(module)
    gc.freeze()
    gc.enable()
    while line := tasks.readline():
        task = json.loads(line)
        pid = os.fork()
        if not pid:
            tasks.close()
            answers.close()
            become(task)
            return
        print(json.dumps(watch(pid, task["seconds"], task["stop_after"])), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
