"""bash runs the commands in README.md and docs/, with stand-ins for all but the shell; programs take their flags."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lag.box import TOY_FACES
from lag.upscaling.shards import Shard, parse
from libml.images import encode_png
from libml.system import tf_config
from tests.programs.test_documents import FENCED, PAGES, ROOT
from tests.support.programs import start

SNIPPETS = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}-{i}")
    for page in PAGES
    for i, block in enumerate(block for language, block in FENCED.findall(page.read_text()) if language == "bash")
]

NOTE = f"""#!{sys.executable} -IS
import json, os, sys
with open(os.environ["NOTES"], "a") as notes:
    array = {{name: value for name, value in os.environ.items() if name.startswith(("SLURM_ARRAY", "JOB_COMPLETION"))}}
    print(json.dumps([sys.argv[1:], os.environ.get("TF_CONFIG"), array]), file=notes)
"""
SBATCH = f"""#!{sys.executable} -IS
import os, subprocess, sys
options = dict(word.removeprefix("--").partition("=")[::2] for word in sys.argv[1:])
assert options.get("dependency", "afterany:1234") == "afterany:1234"
first, last = (options.get("array") or "0-0").split("-")
for task in range(int(first), int(last) + 1):
    values = dict(ID=task, MIN=first, MAX=last, COUNT=int(last) - int(first) + 1) if "array" in options else dict()
    array = {{f"SLURM_ARRAY_TASK_{{name}}": str(value) for name, value in values.items()}}
    subprocess.run(["/bin/sh", "-c", options["wrap"]], env=os.environ | array, check=True)
print("1234" if "parsable" in options else "Submitted batch job 1234")
"""
KUBECTL = f"""#!{sys.executable} -IS
import json, os, subprocess, sys
assert sys.argv[1:] == ["apply", "-f", "-"]
job = json.load(sys.stdin)
assert (job["apiVersion"], job["kind"], job["spec"]["completionMode"]) == ("batch/v1", "Job", "Indexed")
(container,) = job["spec"]["template"]["spec"]["containers"]
for index in range(job["spec"]["completions"]):
    env = {{"JOB_COMPLETION_INDEX": str(index)}} | {{entry["name"]: entry["value"] for entry in container["env"]}}
    subprocess.run(container["command"], env=os.environ | env, check=True)
"""
STAND_INS = {
    "python": NOTE,
    "bash": '#!/bin/sh\ncase "$1" in -c) exec /bin/bash "$@";; runs/*) test -f "$1";; *) exit 1;; esac\n',
    "scontrol": "#!/bin/sh\ntest \"$*\" = 'show hostnames host[0-1]' && printf 'host0\\nhost1\\n'\n",
    "srun": '#!/bin/bash\nfor i in 0 1; do SLURM_PROCID=$i "$@" || exit; done\n',
    "tensorboard": "#!/bin/sh\n",
    "docker": "#!/bin/sh\n",
    "activate": "",
    "sbatch": SBATCH,
    "kubectl": KUBECTL,
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


def calls(snippet: str, place: Path) -> list[tuple[list[str], str | None, dict[str, str]]]:
    """Runs a snippet; the words, TF_CONFIG and the job array's variables of each call of Python."""
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
    commands = [words for words, *_ in called if words[0].endswith(".py")]
    commands = list({tuple(re.sub("=[0-9]+/", "=1/", word) for word in words): words for words in commands}.values())
    assert {"lag.py", "edsr.py", "scripts/upscale.py"} <= {words[0] for words in commands}
    wrong = ["lag.py", "--scale=x"], ["srgan.py", "--no_such_flag"]
    assert refused([*commands, *wrong]) == [f"refused: {' '.join(words)}" for words in wrong]


@pytest.mark.parametrize("command, workers", [("srun", [0, 1]), ("export TF_CONFIG", [0])])
def test_a_snippet_names_the_workers_as_the_program_reads_them(command, workers, place):
    (snippet,) = [p.values[0] for p in SNIPPETS if command in p.values[0]]
    configs = [config for words, config, _ in calls(snippet, place) if "lag.py" in words]
    assert [tf_config.place(config) for config in configs] == [(worker, 2) for worker in workers]
    assert all(json.loads(config)["cluster"]["worker"] == ["host0:2222", "host1:2222"] for config in configs)


@pytest.mark.parametrize("command", ["sbatch", "kubectl"])
def test_a_recipe_of_shards_upscales_every_picture(command, place, tmp_path, monkeypatch):
    (snippet,) = [p.values[0] for p in SNIPPETS if command in p.values[0]]
    shards = [parse(word[8:], env) for words, _, env in calls(snippet, place) for word in words if "--shard=" in word]
    assert shards == [Shard(n, 8) for n in range(1, 9)]
    # The same of two shards, with the program itself.
    (tmp_path / "small").mkdir()
    for i in range(5):
        (tmp_path / "small" / f"{i}.png").write_bytes(encode_png(np.full([2, 2, 3], i, np.uint8)))
    snippet = re.sub(r"\b8\b", "2", snippet).replace("RUN", str(TOY_FACES)).replace("small/", f"{tmp_path}/small")
    called = calls(snippet.replace("large/", f"{tmp_path}/large"), place)
    merging = ["scripts/upscale.py", "--merge", f"--input={tmp_path}/small", f"--output={tmp_path}/large"]
    if merging not in [words for words, *_ in called]:
        called.append((merging, None, {}))
    for words, _, env in called:
        with monkeypatch.context() as patch:
            for name, value in env.items():
                patch.setenv(name, value)
            done = start(*words)
        assert done.returncode == 0, done.stderr
    assert "5 pictures: 5 complete, 0 failed, 0 missing" in done.stdout
    assert len(list((tmp_path / "large").glob("*.png"))) == 20
