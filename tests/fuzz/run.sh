#!/bin/sh
# Run the fuzzer with the interpreter of the virtual environment DIRECTORY, which gets atheris if it has not got it. Where
# atheris has no wheel for that Python, another environment is made beside it, with one that there is a wheel for.
#
# usage: run.sh DIRECTORY [arguments of `python -m fuzz`]
set -eu
venv=${1:?usage: run.sh DIRECTORY [arguments]}
shift
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$here/../..

atheris_into() {
    "$1/bin/python" -c 'import atheris' >/dev/null 2>&1 && return
    requirement=$("$1/bin/python" - "$root/pyproject.toml" <<'END'
import sys, tomllib
with open(sys.argv[1], "rb") as stream:
    print(*tomllib.load(stream)["dependency-groups"]["fuzz"])
END
    )
    # Building it from source would need clang's own libFuzzer.
    "$1/bin/python" -m pip --quiet --disable-pip-version-check install --only-binary=atheris "$requirement"
}

if ! atheris_into "$venv"; then
    echo "atheris cannot be had for $("$venv/bin/python" --version); looking for a Python that it can be had for" >&2
    found=
    for python in python3.13 python3.12 python3.11; do
        "$python" -c '' >/dev/null 2>&1 || continue
        if [ "$("$venv-fuzz/bin/python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])' 2>/dev/null)" != "$python" ]; then
            rm -rf "$venv-fuzz"
        fi
        PYTHON=$python "$root/scripts/setup_venv.sh" "$venv-fuzz"
        if atheris_into "$venv-fuzz"; then
            found=$python
            break
        fi
    done
    [ "$found" ] || { echo "no Python on this machine that atheris can be had for: 3.11, 3.12 or 3.13, with access to PyPI" >&2; exit 1; }
    venv=$venv-fuzz
fi
venv=$(CDPATH='' cd -- "$venv" && pwd)
echo "fuzzing with $("$venv/bin/python" --version) of $venv"
cd "$here/.."
exec "$venv/bin/python" -m fuzz "$@"
