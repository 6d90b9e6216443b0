#!/bin/sh
# Run the demo with the newest Python that works. "Works" is found out by running it: a python3.13 on the PATH may be a
# pyenv shim for a version that is not selected, or lack what makes virtual environments.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

for python in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
    if "$python" -c 'import sys, venv, ensurepip, sqlite3; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        exec "$python" "$here/demo.py" "$@"
    fi
done
echo "the demo needs Python 3.11 or later with venv and sqlite3; tried: ${PYTHON:-python3.13 python3.12 python3.11 python3}" >&2
exit 1
