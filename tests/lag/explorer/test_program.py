"""scripts/explore.py as it is started and ended."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request

from tests.support import ROOT
from tests.support.programs import mistake


def test_it_serves_until_it_is_stopped(run):
    command = [sys.executable, "scripts/explore.py", f"--model={run}", "--port=0", "--host=0.0.0.0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as program:
        line = program.stdout.readline()
        port = re.search(r"http://0\.0\.0\.0:(\d+) ", line)[1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/model") as answer:
            assert json.load(answer)["scale"] == 4
            program.send_signal(signal.SIGINT)  # while a client is connected
        output, errors = program.communicate(timeout=30)
    assert program.returncode == 130 and not output
    *before, last = errors.splitlines()
    (warning,) = [line for line in before if line.startswith("warning: ")]
    assert "--host=0.0.0.0 lets other machines in" in warning and "Traceback" not in errors and last == "interrupted"
    socket.create_server(("0.0.0.0", int(port))).close()  # nothing listens there any more


def test_mistakes_cost_one_line(tmp_path):
    assert "--port=-1 must be from 0 to 65535" in mistake("scripts/explore.py", "--model=m", "--port=-1")
    assert "--onnxruntime_web is for --static" in mistake("scripts/explore.py", "--onnxruntime_web=package.tgz")
    assert "nowhere is neither a run folder" in mistake("scripts/explore.py", f"--model={tmp_path / 'nowhere'}")
