"""Starts programs in forks of a process that has imported TensorFlow: importing it takes 4 seconds of a core each time.

    python -m tests.support.warm SOCKET

No operation of TensorFlow runs in that process, so it has no threads that a fork would lose. It imports nothing of the
project: each program does that, as one that is started alone. What a set is ordered by is alike in all forks; a test of
two programs that must agree starts one of them alone.
"""

import atexit
import gc
import json
import os
import runpy
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from libml.system.environment import DEFAULTS
from tests.support import ROOT


def redirect(task: dict) -> None:
    """Gives this process a task's folder, and its files as output."""
    os.chdir(task["cwd"])
    for number, name in enumerate((os.devnull, task["out"], task["err"])):
        handle = os.open(name, os.O_WRONLY | os.O_APPEND if number else os.O_RDONLY)
        os.dup2(handle, number)
        os.close(handle)


def become(task: dict) -> None:
    """Runs a task's program in this process, which is a fork."""
    redirect(task)
    program = str(ROOT / task["program"])
    buffering = 1 if "PYTHONUNBUFFERED" in task["env"] else -1
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", buffering, closefd=False)
    sys.stderr = os.fdopen(2, "w", errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(task["env"])
    sys.argv = [program, *task["args"]]
    sys.path[0] = str(Path(program).parent)
    runpy.run_path(program, run_name="__main__")


class Program:
    """A program that was started; as subprocess.Popen."""

    def __init__(self, words: list[str], cwd: Path, env: dict[str, str], out: Path, err: Path):
        program, *args = words
        files = {"cwd": str(cwd), "out": str(out), "err": str(err)}
        self._connection = _connected()
        self._answers = self._connection.makefile("rw")
        print(json.dumps({"program": program, "args": args, "env": env, **files}), file=self._answers, flush=True)
        self.pid, self.returncode = int(self._answers.readline()), None

    def poll(self) -> int | None:
        """The status, None while it runs."""
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            self.returncode = int(self._answers.readline())
            self._answers.close()
            self._connection.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The status, once it has ended."""
        if self.returncode is None and not select.select([self._connection], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return self.poll()

    def send_signal(self, number: int) -> None:
        """Sends a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)


_server: list = []  # the process, the folder with its socket


def _connected() -> socket.socket:
    """A connection to the process, which is started first."""
    if not _server:
        folder = tempfile.TemporaryDirectory(prefix="warm-")
        command = [sys.executable, "-m", "tests.support.warm", f"{folder.name}/socket"]
        env = {**DEFAULTS, **os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        _server[:] = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.PIPE), folder
    process, folder = _server
    connection, end = socket.socket(socket.AF_UNIX), time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        try:
            connection.connect(f"{folder.name}/socket")
            return connection
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.05)
    raise RuntimeError("the process that starts programs does not answer")


@atexit.register
def stop() -> None:
    """Ends the process, if there is one."""
    if _server:
        process, folder = _server
        process.stdin.close()
        process.wait()
        folder.cleanup()
        _server.clear()


def _keep(connection: socket.socket) -> None:
    """In a fork: forks once more for the program and tells how that ends. Returns in the program, once it has ended."""
    lines = connection.makefile("rw")
    task = json.loads(lines.readline())
    pid = os.fork()
    if not pid:
        lines.close()
        connection.close()
        become(task)
        return
    print(pid, file=lines, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=lines, flush=True)
    os._exit(0)


def serve(path: str) -> None:
    """Forks for each connection, until standard input ends. Returns in a fork, too, once its program has ended."""
    gc.disable()
    import keras  # noqa: F401
    import tensorflow  # noqa: F401

    gc.freeze()
    gc.enable()
    keepers = set()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while 0 not in select.select([0, listener], [], [])[0]:
            connection, _ = listener.accept()
            pid = os.fork()
            if not pid:
                listener.close()
                _keep(connection)
                return
            connection.close()
            keepers = {keeper for keeper in {*keepers, pid} if not os.waitpid(keeper, os.WNOHANG)[0]}
        for keeper in keepers:
            os.waitpid(keeper, os.WNOHANG)


if __name__ == "__main__":
    serve(sys.argv[1])
