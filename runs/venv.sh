# Sourced by the other scripts: goes to the project's root and makes .venv with the packages of a requirements file.
# Usage: source runs/venv.sh requirements-dev.txt
cd "$(dirname "${BASH_SOURCE[0]}")/.."
requirements=$1
stamp=.venv/.installed-$(cat requirements.txt "$requirements" | sha256sum | cut -c1-16)
if [ ! -e "$stamp" ]; then
  echo "installing $requirements into .venv"
  [ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$requirements"
  touch "$stamp"
fi
python() { "$PWD/.venv/bin/python" "$@"; }
