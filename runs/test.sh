#!/usr/bin/env bash
# Makes .venv, installs, lints, checks types and tests. Arguments go to pytest.
set -euo pipefail
source "$(dirname "$0")/venv.sh" requirements.txt requirements-features.txt requirements-onnx.txt requirements-dev.txt
python -m ruff check .
python -m ruff format --check .
python -m mypy # of the public API and what it is made of: [tool.mypy] in pyproject.toml
# By file, since fixtures are a file's, and in the order of tests/conftest.py. More than four processes would take more memory than they save time.
python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder "$@"
