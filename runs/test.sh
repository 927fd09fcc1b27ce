#!/usr/bin/env bash
# Makes .venv, installs, lints and tests. Arguments go to pytest.
set -euo pipefail
source "$(dirname "$0")/venv.sh" requirements-dev.txt
python -m ruff check .
python -m ruff format --check .
python -m pytest "$@"
