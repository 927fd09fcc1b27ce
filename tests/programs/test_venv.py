import os
import shutil
import subprocess

import pytest

from tests.support import ROOT

# A stand-in for Python: prints its version, makes a .venv that holds itself, and records what it is asked to install.
PYTHON = """#!/usr/bin/env bash
case "$1 $2" in
  "-c "*) echo {version}; [ {suitable} = yes ];;
  "--version "*) echo "Python {version}.0";;
  "-m venv") rm -rf "$4"; mkdir -p "$4/bin"; touch "$4/pyvenv.cfg"; cp "$0" "$4/bin/python";;
  "-m pip") if [ "$3" = install ]; then echo "$@" >> installed.txt; [ ! -e offline ]; fi;;
  *) exit 9;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout with runs/venv.sh and a program that sources it; its bin/ is the whole PATH."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "runs/venv.sh", tmp_path / "runs")
    (tmp_path / "runs/program.sh").write_text(
        'set -euo pipefail\nsource "$(dirname "$0")/venv.sh" requirements.txt more.txt\necho ready\n'
    )
    for name in ("requirements.txt", "more.txt", "constraints.txt"):
        (tmp_path / name).write_text("absl-py\n")
    for tool in ("bash", "dirname", "cat", "sha256sum", "cut", "touch", "rm", "mkdir", "cp", "env"):
        os.symlink(shutil.which(tool), tmp_path / "bin" / tool)
    return tmp_path


def add_python(checkout, name, version, suitable):
    path = checkout / "bin" / name
    path.write_text(PYTHON.format(version=version, suitable="yes" if suitable else "no"))
    path.chmod(0o755)


def run(checkout, **environment):
    command = ["bash", "runs/program.sh"]
    environment = {"PATH": str(checkout / "bin"), **environment}
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)


def venv_version(checkout):
    return subprocess.run([checkout / ".venv/bin/python", "-c", ""], capture_output=True, text=True).stdout.strip()


def test_the_first_suitable_python_of_the_path_is_used(checkout):
    add_python(checkout, "python3", "3.9", False)
    add_python(checkout, "python3.12", "3.12", True)
    done = run(checkout)
    assert done.returncode == 0 and done.stdout.endswith("ready\n")
    assert venv_version(checkout) == "3.12"
    assert "-rrequirements.txt -rmore.txt -c constraints.txt" in (checkout / "installed.txt").read_text()


@pytest.mark.parametrize("environment", [{}, {"PYTHON": "python3"}], ids=["found", "named"])
def test_an_old_python_is_refused_in_one_line_and_leaves_nothing(checkout, environment):
    add_python(checkout, "python3", "3.9", False)
    done = run(checkout, **environment)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "3.11 to 3.13" in done.stderr and "python3 is Python 3.9" in done.stderr and "PYTHON=" in done.stderr
    assert not (checkout / ".venv").exists()


def test_no_python_at_all_is_one_line(checkout):
    done = run(checkout)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "there is no python3" in done.stderr


def test_a_venv_of_an_old_or_broken_python_is_made_again(checkout):
    add_python(checkout, "python3", "3.11", True)
    assert run(checkout).returncode == 0
    python = checkout / ".venv/bin/python"
    for broken in (PYTHON.format(version="3.9", suitable="no"), "#!/nonexistent\n"):
        python.write_text(broken)
        done = run(checkout)
        assert done.returncode == 0 and "making .venv" in done.stdout and venv_version(checkout) == "3.11"


def test_another_python_that_is_named_makes_the_venv_again(checkout):
    add_python(checkout, "python3", "3.11", True)
    add_python(checkout, "python3.12", "3.12", True)
    assert run(checkout).returncode == 0 and venv_version(checkout) == "3.11"
    assert run(checkout, PYTHON="python3.12").returncode == 0 and venv_version(checkout) == "3.12"


def test_an_installation_that_failed_goes_on_and_a_finished_one_is_not_done_again(checkout):
    add_python(checkout, "python3", "3.11", True)
    (checkout / "offline").touch()
    assert run(checkout).returncode != 0
    (checkout / "offline").unlink()
    done = run(checkout)
    assert done.returncode == 0 and "making .venv" not in done.stdout
    assert run(checkout).stdout == "ready\n"
    assert (checkout / "installed.txt").read_text().count("-m pip install") == 2
    (checkout / "constraints.txt").write_text("absl-py==2.5.1\n")
    assert "installing requirements.txt more.txt" in run(checkout).stdout


def test_a_folder_called_venv_that_is_none_is_left_alone(checkout):
    add_python(checkout, "python3", "3.11", True)
    (checkout / ".venv").mkdir()
    (checkout / ".venv/mine.txt").write_text("mine")
    done = run(checkout)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "no virtual environment" in done.stderr
    assert (checkout / ".venv/mine.txt").read_text() == "mine"
