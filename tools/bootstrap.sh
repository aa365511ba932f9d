#!/usr/bin/env bash
# Makes a virtual environment with one of the pinned sets of requirements/, or finds it ready. The sets worker and
# worker-3.13 are what syngen_addon/worker/requirements.txt pins, and the weights of style transfer beside it.
#
#   tools/bootstrap.sh FOLDER SET...          the first SET whose Python is on this machine, else one that uv fetches
#   tools/bootstrap.sh --no-fetch FOLDER SET  exit status 3 where that Python is not on this machine
#   tools/bootstrap.sh --missing              prints the Debian packages that this machine lacks
#
# FOLDER counts as ready only when its stamp names these very requirements; the stamp is written last, so that a
# folder left half made by Ctrl-C or a full disk is made anew.
set -euo pipefail
cd "$(dirname "$0")/.."

packages="make python3-venv libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libice6 libxext6 libgl1 libegl1"
apt_line="apt-get install -y --no-install-recommends $packages"

fail() { printf 'SynGen: %s\n' "$*" >&2; exit 1; }

python_of() { # the Python version that a set needs
    case $1 in
        bpy-4.5 | bpy-5.0 | worker) echo 3.11 ;;
        bpy-5.2 | worker-3.13) echo 3.13 ;;
        *) fail "requirements/$1.txt is not known to tools/bootstrap.sh." ;;
    esac
}

files_of() { # SET: the requirements that it is made of
    case $1 in
        worker*) echo syngen_addon/worker/requirements.txt requirements/test.txt ;;
        *) echo requirements/bundled.txt requirements/test.txt "requirements/$1.txt" ;;
    esac
}

works() { # PYTHON VERSION: runs (pyenv's shims may not), has that version, and can make a virtual environment
    "$1" -c "import ctypes, ensurepip, sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$2')" >/dev/null 2>&1
}

find_python() { # VERSION
    local candidate
    for candidate in $(type -ap "python$1" python3 || true) "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python3; do
        if works "$candidate" "$1"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

missing_packages() { # the packages whose library the dynamic linker does not know
    local known pair
    known=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p) || fail "ldconfig, which lists this machine's libraries, does not run."
    for pair in libx11-6:libX11.so.6 libxrender1:libXrender.so.1 libxfixes3:libXfixes.so.3 libxi6:libXi.so.6 \
        libxkbcommon0:libxkbcommon.so.0 libsm6:libSM.so.6 libice6:libICE.so.6 libxext6:libXext.so.6 \
        libgl1:libGL.so.1 libegl1:libEGL.so.1; do
        [[ $known == *"${pair#*:} "* ]] || echo "${pair%%:*}"
    done
    command -v make >/dev/null || echo make
    find_python 3.11 >/dev/null || find_python 3.13 >/dev/null || command -v uv >/dev/null ||
        python3 -c "import ensurepip, venv" >/dev/null 2>&1 || echo python3-venv
}

find_uv() { # uv on the PATH, else one of our own
    command -v uv && return
    exec 8<requirements # and where two environments want it at once
    ! command -v flock >/dev/null || flock 8
    if [[ ! -x .venv-uv/bin/uv ]]; then
        python3 -m venv --clear .venv-uv >&2 && .venv-uv/bin/python -m pip install --quiet uv >&2 || return 1
    fi
    echo "$PWD/.venv-uv/bin/uv"
}

install_blender() { # FOLDER SET
    local pip=("$1/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps --only-binary :all:)
    "${pip[@]}" --require-hashes -r requirements/bundled.txt
    "${pip[@]}" -r "requirements/$2.txt"
    # Not `pip check`: it takes bpy's wheel for one of another platform.
    "$1/bin/python" -c "import bpy, cv2, numpy" || fail "what was installed into $1 does not load."
}

install_worker() { # FOLDER
    # Not --no-deps: what torch needs depends on its build, and that on pip's configuration.
    local pip=("$1/bin/python" -m pip --disable-pip-version-check install --quiet --only-binary :all:) log=$1/pip.log
    if ! "${pip[@]}" -r syngen_addon/worker/requirements.txt -r requirements/test.txt 2>"$log"; then
        ! grep -qiE 'NewConnection|NameResolution|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Connection refused|from versions: none' "$log" ||
            fail "the package index cannot be reached or has no torch, so the worker's tests cannot run here ($log)."
        fail "$(grep '^ERROR' "$log" | tail -n 1) ($log)"
    fi
    "$1/bin/python" -c "import torch, diffusers, transformers, cv2" || fail "what was installed into $1 does not load."
    "$1/bin/python" - "$1/weights" <<'FETCH' || fail "the weights of style transfer could not be fetched."
import sys
from pathlib import Path
from syngen_addon.errors import SynGenError
from syngen_addon.worker.weights import get_weights
try:
    get_weights(Path(sys.argv[1]).absolute(), Path(sys.executable), online=True)
except SynGenError as error:
    sys.exit(f"SynGen: {error}")
FETCH
}

make_venv() { # FOLDER SET PYTHON STAMP
    local what="Blender as a Python module takes about 1 GB"
    [[ $2 != worker* ]] || what="PyTorch takes 1.6 GB (0.5 GB to download), or 7 GB (3 GB) where the index has its CUDA build only"
    echo "SynGen: making $1 ($2, Python $(python_of "$2")); $what." >&2
    rm -rf "$1"
    if [[ $3 == fetch ]]; then
        local uv
        uv=$(find_uv) || fail "no Python 3.11 or 3.13 here, and uv, which would fetch one, could not be installed." \
            "Install python3.11 with its venv module, or uv."
        "$uv" venv --quiet --seed --python "$(python_of "$2")" "$1" ||
            fail "uv could not fetch Python $(python_of "$2"). Install python$(python_of "$2") with its venv module."
    else
        "$3" -m venv "$1"
    fi
    if [[ $2 == worker* ]]; then install_worker "$1"; else install_blender "$1" "$2"; fi
    echo "$4" >"$1/ready"
}

no_fetch=
case ${1:-} in
    --missing) missing_packages; exit ;;
    --no-fetch) no_fetch=1; shift ;;
esac
folder=${1:?a folder}
shift

if [[ $(uname -s) == Linux ]]; then
    missing=$(missing_packages)
    [[ -z $missing ]] || fail "this machine lacks ${missing//$'\n'/ }. Install as root: $apt_line"
fi

set_name=$1 python=fetch
for candidate in "$@"; do
    if python=$(find_python "$(python_of "$candidate")"); then
        set_name=$candidate
        break
    fi
    python=fetch
done
[[ -z $no_fetch || $python != fetch ]] || exit 3

files=$(files_of "$set_name")
exec 9<"${files##* }" # two makes of one environment at once: the second waits
! command -v flock >/dev/null || flock 9
# The folder's own path belongs in: a moved virtual environment runs the programs of its old place.
# shellcheck disable=SC2046  # one word a file
stamp=$({ echo "$PWD/$folder"; cat $(files_of "$set_name") tools/bootstrap.sh; } | sha256sum | cut -d ' ' -f 1)
if [[ $(cat "$folder/ready" 2>/dev/null) != "$stamp" ]] || ! "$folder/bin/python" -c '' 2>/dev/null; then
    make_venv "$folder" "$set_name" "$python" "$stamp"
fi
