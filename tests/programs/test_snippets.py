"""bash runs the commands in README.md and docs/, with stand-ins for all but the shell; programs take their flags."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from libml.system import devices
from tests.programs.test_documents import FENCED, PAGES, ROOT

SNIPPETS = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}-{i}")
    for page in PAGES
    for i, block in enumerate(block for language, block in FENCED.findall(page.read_text()) if language == "bash")
]

NOTE = f"""#!{sys.executable} -IS
import json, os, sys
with open(os.environ["NOTES"], "a") as notes:
    print(json.dumps([sys.argv[1:], os.environ.get("TF_CONFIG")]), file=notes)
"""
STAND_INS = {
    "python": NOTE,
    "bash": '#!/bin/sh\ncase "$1" in -c) exec /bin/bash "$@";; runs/*) test -f "$1";; *) exit 1;; esac\n',
    "scontrol": "#!/bin/sh\ntest \"$*\" = 'show hostnames host[0-1]' && printf 'host0\\nhost1\\n'\n",
    "srun": '#!/bin/bash\nfor i in 0 1; do SLURM_PROCID=$i "$@" || exit; done\n',
    "tensorboard": "#!/bin/sh\n",
    "docker": "#!/bin/sh\n",
}

CHECK_FLAGS = """
import gc, json, os, runpy, sys
import libml.compared.method  # and TensorFlow, once for all: a compared method imports them before it reads its flags
gc.freeze()
for argv in json.load(sys.stdin):
    child = os.fork()
    if not child:
        sys.argv = [*argv, "--only_check_args"]
        try:
            runpy.run_path(argv[0], run_name="__main__")
        except SystemExit as e:
            os._exit(1 if e.code else 0)
        os._exit(2)
    if os.waitpid(child, 0)[1]:
        print("refused:", *argv)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder to run snippets in, in whose bin and .venv/bin the stand-ins are."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "bin").mkdir()
    for name, text in STAND_INS.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(folder / "bin")
    (folder / "runs").symlink_to(ROOT / "runs")
    return folder


def calls(snippet: str, place: Path) -> list[tuple[list[str], str | None]]:
    """Runs a snippet; the words and TF_CONFIG of each call of Python."""
    notes = place / "notes"
    notes.write_text("")
    env = {
        "PATH": f"{place / 'bin'}:/usr/bin:/bin",
        "HOME": "/",
        "NOTES": str(notes),
        "SLURM_JOB_NODELIST": "host[0-1]",
    }
    command = ["/bin/bash", "-euo", "pipefail", "-c", snippet]
    done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in notes.read_text().splitlines()]


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_bash_runs_a_snippet(snippet, place):
    called = calls(snippet, place)
    assert len(called) >= len(re.findall(r"\bpython ", snippet))


def refused(commands: list[list[str]]) -> list[str]:
    """The commands whose programs do not take their flags."""
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, "-c", CHECK_FLAGS],
        input=json.dumps(commands),
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_programs_take_the_flags_of_the_snippets(place):
    called = [call for snippet in SNIPPETS for call in calls(snippet.values[0], place)]
    commands = [words for words, _ in called if words[0].endswith(".py")]
    assert {"lag.py", "edsr.py", "scripts/upscale.py"} <= {words[0] for words in commands}
    wrong = ["lag.py", "--scale=x"], ["srgan.py", "--no_such_flag"]
    assert refused([*commands, *wrong]) == [f"refused: {' '.join(words)}" for words in wrong]


@pytest.mark.parametrize("command, workers", [("srun", [0, 1]), ("export TF_CONFIG", [0])])
def test_a_snippet_names_the_workers_as_the_program_reads_them(command, workers, place):
    (snippet,) = [p.values[0] for p in SNIPPETS if command in p.values[0]]
    configs = [config for words, config in calls(snippet, place) if "lag.py" in words]
    assert [devices._place(config) for config in configs] == [(worker, 2) for worker in workers]
    assert all(json.loads(config)["cluster"]["worker"] == ["host0:2222", "host1:2222"] for config in configs)
