# Sourced by the other scripts: goes to the project's root and makes .venv with the packages of the requirements
# files that are named, in the versions of constraints.txt. Usage: source runs/venv.sh requirements.txt requirements-dev.txt
# PYTHON names the Python to use; without it the first suitable one of the PATH is used. An installation that was
# interrupted goes on; a .venv of an unsuitable or broken Python is made again.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
requirements=("$@")

# Prints a Python's version, and fails where TensorFlow has no packages for that version.
suitable='import sys; print("%d.%d" % sys.version_info[:2]); sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

find_python() {
  local names=(python3 python python3.13 python3.12 python3.11) found="" name version
  if [ -n "${PYTHON:-}" ]; then names=("$PYTHON"); fi
  for name in "${names[@]}"; do
    if version=$("$name" -c "$suitable" 2>/dev/null); then
      echo "$name"
      return
    fi
    if [ -n "$version" ]; then found="$found $name is Python $version,"; fi
  done
  echo "error: LAG needs Python 3.11 to 3.13, but${found:- there is no ${names[0]},} so install one of these versions" \
    "or name it: PYTHON=/path/to/python3.11 bash $0" >&2
  return 1
}

make_venv() {
  local python
  python=$(find_python) || return 1
  if [ -e .venv ] && [ ! -e .venv/pyvenv.cfg ]; then
    echo "error: $PWD/.venv is no virtual environment; move it away and run this again" >&2
    return 1
  fi
  echo "making .venv with $("$python" --version)"
  "$python" -m venv --clear .venv || {
    echo "error: $python cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2
    return 1
  }
}

usable_venv() {
  [ -e .venv/pyvenv.cfg ] && version=$(.venv/bin/python -c "$suitable" 2>/dev/null) &&
    .venv/bin/python -m pip --version >/dev/null 2>&1 &&
    { [ -z "${PYTHON:-}" ] || [ "$("$PYTHON" -c "$suitable" 2>/dev/null)" = "$version" ]; }
}

stamp=.venv/.installed-$(cat constraints.txt "${requirements[@]}" | sha256sum | cut -c1-16)
usable_venv || make_venv || exit 1
if [ ! -e "$stamp" ]; then
  echo "installing ${requirements[*]} into .venv: 2 to 3 GB on the disk, some minutes"
  quiet=--quiet
  if [ -t 1 ]; then quiet=--progress-bar=on; fi  # a terminal shows how far it is
  .venv/bin/python -m pip install "$quiet" --disable-pip-version-check "${requirements[@]/#/-r}" -c constraints.txt
  touch "$stamp"
fi
python() { "$PWD/.venv/bin/python" "$@"; }
