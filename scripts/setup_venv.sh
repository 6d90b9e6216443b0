#!/bin/sh
# Make a virtual environment with the newest Python that works, and install logoscore and what its tests need into it.
# "Works" is found out by running it: a python3.13 on the PATH may be a pyenv shim for a version that is not selected.
set -eu
venv=${1:?usage: setup_venv.sh DIRECTORY}
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

if ! "$venv/bin/python" -c '' >/dev/null 2>&1; then
    for python in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
        if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            "$python" -m venv --clear "$venv"
            break
        fi
    done
fi
"$venv/bin/python" -c '' || { echo "logoscore needs Python 3.11 or later with venv" >&2; exit 1; }

"$venv/bin/python" - "$here/pyproject.toml" >"$venv/development.txt" <<'END'
import sys, tomllib
with open(sys.argv[1], "rb") as stream:
    project = tomllib.load(stream)
print(*project["dependency-groups"]["test"], *project["dependency-groups"]["lint"], sep="\n")
END
pip="$venv/bin/python -m pip --quiet --disable-pip-version-check install"
$pip -r "$venv/development.txt" "$here[bench]"
# Dependencies are there now; this makes sure that the sources are today's even if the version has not changed. What
# setuptools leaves in the checkout goes: it would install files again that are not there any more.
rm -rf "$here/build" "$here/logoscore.egg-info"
find "$here/logoscore" -name '_*.abi3.so' -delete
$pip --force-reinstall --no-deps "$here"
rm -rf "$here/build" "$here/logoscore.egg-info"
# The benchmarks run in the checkout, whose package comes first there: what was compiled belongs beside its source, too.
installed=$(echo "$venv"/lib/python3*/site-packages/logoscore)
(cd "$installed" && find . -name '_*.abi3.so') | while read -r compiled; do
    cp "$installed/$compiled" "$here/logoscore/$compiled"
done
find "$here/logoscore" -name '_ring.abi3.so' | grep -q . || echo "setup_venv: no C compiler, so ring and frames are Python's" >&2
