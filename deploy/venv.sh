#!/usr/bin/env bash
# Makes .venv/ from requirements.lock with an editable install; `venv.sh lock` renews the lock.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PIP_DISABLE_PIP_VERSION_CHECK=1

fail() { echo "error: $*" >&2; exit 1; }

new_enough() {
  command -v "$1" >/dev/null &&
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
  for name in ${PYTHON:-} python3.11 python3 python3.12 python3.13; do
    new_enough "$name" && { echo "$name"; return; }
  done
  fail "expected Python 3.11 or newer, found none (set PYTHON, or apt-get install python3)"
}

# Debian keeps ensurepip in a package of its own.
get_ensurepip() {
  "$1" -c 'import ensurepip' 2>/dev/null && return
  echo "installing python3-venv"
  [ "$(id -u)" = 0 ] && apt-get -qq update && apt-get -qq -y install python3-venv >/dev/null ||
    fail "expected Python's venv module (apt-get install python3-venv)"
}

make_venv() {
  local python
  python="$(find_python)"
  get_ensurepip "$python"
  "$python" -m venv --clear "$1"
}

install() {
  .venv/bin/python -m pip --version >/dev/null 2>&1 || make_venv .venv
  echo "installing the locked packages into .venv/ (about a minute the first time)"
  .venv/bin/python -m pip install --quiet --requirement requirements.lock
  .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
  echo "compiling what sees every event (some seconds, once)"
  .venv/bin/python -c "import fenghuo.streams.gather.worker"
  touch .venv/stamp
}

lock() {
  folder="$(mktemp -d)"
  trap 'rm -rf "$folder"' EXIT
  make_venv "$folder"
  "$folder/bin/pip" install --quiet --upgrade pip
  "$folder/bin/pip" install --quiet . --group dev
  "$folder/bin/pip" freeze --all --exclude pip --exclude fenghuo > "$folder/new"
  cp "$folder/new" requirements.lock
  echo "requirements.lock: $(wc -l < requirements.lock) packages"
}

"${1:-install}"
