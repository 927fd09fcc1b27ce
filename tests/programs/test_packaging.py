"""The wheel: what lies in it, and its commands, run where no checkout is."""

import email
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lag.any_method import COMPARED
from tests.support import ROOT

PROGRAMS = {"lag", *(place.split(":")[0] for place in COMPARED.values())}
COMMANDS = {  # and a flag that its --help shows
    "lag-train": "--noise_dim",
    "lag-upscale": "--[no]consistent",
    "lag-explore": "--host",
    "lag-evaluate": "--critic",
    "lag-export": "--weights",
    "lag-data": "--background",
}
COMMAND = """
import importlib.metadata, sys
(entry,) = importlib.metadata.entry_points(group="console_scripts", name=sys.argv[0])
sys.exit(entry.load()())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, as building leaves files behind; offline, with the setuptools that is installed."""
    source, output = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for folder in ("lag", "libml", "scripts"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for pattern in ("*.py", "pyproject.toml", "requirements*.txt", "README.md", "LICENSE"):
        for file in ROOT.glob(pattern):
            shutil.copy(file, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    done = subprocess.run([*pip, f"--wheel-dir={output}", source], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = output.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def python(folder: Path, code: str, *words: str) -> subprocess.CompletedProcess:
    """Runs code as the command words[0], in an empty folder, with the wheel's packages."""
    code = f"import sys; sys.argv = {list(words)!r}\n{code}"
    env = {**os.environ, "PYTHONPATH": str(folder)}
    cwd = folder / "elsewhere"
    cwd.mkdir(exist_ok=True)
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True)


def test_the_wheel_holds_the_packages_and_programs_and_nothing_else(wheel):
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    expected = {str(p.relative_to(ROOT)) for folder in ("lag", "libml") for p in (ROOT / folder).rglob("*.py")}
    expected |= {f"lag_programs/{p.name}" for p in (ROOT / "scripts").glob("*.py")}
    data = [*(ROOT / "lag/explorer/static").rglob("*"), *(ROOT / "lag/box/toyfaces32").rglob("*")]
    expected |= {str(p.relative_to(ROOT)) for p in data if p.is_file()}
    assert names == expected | {f"{name}.py" for name in PROGRAMS} | {"lag/py.typed", "libml/py.typed"}


def requirements(*files: str) -> set[str]:
    """Requirements of files, without comments and spaces."""
    lines = [line.partition("#")[0].strip() for file in files for line in (ROOT / file).read_text().splitlines()]
    return {line for line in lines if line}


def test_the_wheel_asks_for_what_the_requirements_say(installed):
    (folder,) = installed.glob("*.dist-info")
    found = email.message_from_string((folder / "METADATA").read_text())
    needs = [need.replace(" ", "").replace('"', "'") for need in found.get_all("Requires-Dist")]
    assert {n for n in needs if ";" not in n} == requirements("requirements.txt")
    for extra, files in {
        "gpu": ["requirements-gpu.txt"],
        "onnx": ["requirements-onnx.txt"],
        "features": ["requirements-features.txt"],
        "dev": ["requirements-features.txt", "requirements-onnx.txt", "requirements-dev.txt"],
    }.items():
        marker = f";extra=='{extra}'"
        assert {n.removesuffix(marker) for n in needs if n.endswith(marker)} == requirements(*files)
    assert found["License-Expression"] == "Apache-2.0" and found["Description-Content-Type"] == "text/markdown"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs_its_program(installed, command):
    done = python(installed, COMMAND, command, "--help")
    assert COMMANDS[command] in done.stdout, done.stderr
    assert str(installed) in done.stdout and str(ROOT) not in done.stdout


def test_a_command_s_mistake_is_one_line(installed):
    done = python(installed, COMMAND, "lag-upscale", "--model=m", "--input=nowhere", "--output=o")
    assert (done.returncode, done.stderr) == (1, "error: --input=nowhere does not exist\n")


def test_the_installed_project_knows_its_version(installed):
    done = python(installed, "from libml.datasets import manifest; print(manifest.versions())", "x")
    (version,) = [f.name.split("-")[1] for f in installed.glob("lag_tf2-*.dist-info")]
    version = version.removesuffix(".dist")
    assert done.stdout == str({"lag-tf2": version}) + "\n", done.stderr


def test_every_command_is_tested():
    text = (ROOT / "pyproject.toml").read_text()
    scripts = text.partition("[project.scripts]\n")[2].partition("\n\n")[0]
    assert {line.partition(" ")[0] for line in scripts.splitlines()} == set(COMMANDS)
