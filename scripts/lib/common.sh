# shellcheck shell=bash
# What the scripts share: the root of the project, errors in one line, and a Python that can do the work.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export ROOT
# What the scripts print is wanted at once, also through a pipe.
export PYTHONUNBUFFERED=1
SUPPORTED="3.13 3.12 3.11"
SYSTEM_BIN=/usr/bin

# fail MESSAGE: one line that names the remedy, and a non-zero end.
fail() {
  printf 'ERROR: %s\n' "$1" >&2
  exit 1
}

# works COMMAND VERSION: whether this is a Python of that version that starts (a pyenv shim may not).
works() {
  [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$2" ]
}

# makes_environments COMMAND: whether this Python can make them; Debian keeps that part in a package of its own.
makes_environments() {
  "$1" -c 'import ensurepip, venv' 2>/dev/null
}

# python_of VERSION: print the command of that Python: the system's own, where it can make virtual environments, since
# Debian's takes a sixth less time than one that pyenv has built (docs/benchmarks.md); else the first on PATH, or in pyenv.
# Fails quietly when there is none.
python_of() {
  local candidate found
  mapfile -t found < <(
    type -ap "python$1" python3 || true
    ! command -v pyenv >/dev/null || printf '%s\n' "$(pyenv root)/versions/$1".*/bin/"python$1"
  )
  for candidate in "${found[@]}"; do
    if [ "${candidate%/*}" = "$SYSTEM_BIN" ] && works "$candidate" "$1" && makes_environments "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  for candidate in "${found[@]}"; do
    if works "$candidate" "$1"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

# find_python VERSION: print the command of that Python; of the newest that is supported when VERSION is empty.
find_python() {
  local version
  for version in ${1:-$SUPPORTED}; do
    python_of "$version" && return
  done
  if [ -n "${1:-}" ]; then
    fail "there is no Python $1 here: install it (apt-get install python$1 python$1-venv, or pyenv install $1)."
  fi
  fail "Python 3.11, 3.12 or 3.13 is needed and none is here: apt-get install python3 python3-venv (Debian 12 or newer, Ubuntu 24.04 or newer), or use pyenv."
}

# check_version VERSION: refuse a Python that the lock file was not made for.
check_version() {
  case " $SUPPORTED " in
    *" $1 "*) ;;
    *) fail "--python wants one of ${SUPPORTED// /, }, not '$1'." ;;
  esac
}

# need PROGRAM PACKAGE: refuse to go on without a program.
need() {
  command -v "$1" >/dev/null || fail "the program $1 is missing: apt-get install $2."
}

# venv_of [VERSION]: print the folder of the project's tools.
venv_of() {
  printf '%s\n' "$ROOT/.venv${1:+-$1}"
}

# step TITLE LOG COMMAND…: run it with a sign of life, its output in .cache/log/LOG.
step() {
  local title=$1 log=$2
  shift 2
  "$PYTHON" "$ROOT/testbed/lib/progress.py" "$title" "$ROOT/.cache/log/$log" "$@"
}
