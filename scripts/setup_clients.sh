#!/bin/sh
# Get what the C library's clients need, into DIRECTORY/clients: koffi from npm, and Debian's nim unless there is a nim.
# What cannot be had here is said, and its tests are left out; with LOGOS_CLIENTS=required that is an error.
set -u
venv=${1:?usage: setup_clients.sh VENV}
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
clients=$(CDPATH='' cd -- "$venv" && pwd)/clients
mkdir -p "$clients"
missing=

without() { # what is left out, why
    echo "setup_clients: no tests of $1: $2" >&2
    missing="$missing $1"
}

get_koffi() {
    cp "$here/examples/electron-like/package.json" "$here/examples/electron-like/package-lock.json" "$clients" &&
        (cd "$clients" && npm ci --ignore-scripts --no-audit --no-fund --silent && node -e "require('koffi')")
}

get_nim() { # no root needed, nothing installed: the package is unpacked, with the compiler where it looks for its library
    (
        cd "$clients" && rm -rf nim nim_*.deb && mkdir nim &&
            apt-get -qq -o APT::Sandbox::User=root download nim && dpkg-deb -x nim_*.deb nim/unpacked && rm nim_*.deb &&
            mkdir nim/bin && mv nim/unpacked/usr/bin/nim nim/bin && mv nim/unpacked/usr/lib/nim/lib nim/lib &&
            mv nim/unpacked/etc/nim nim/config && rm -r nim/unpacked
    ) && "$clients/nim/bin/nim" --version >/dev/null
}

command -v "${CC:-cc}" >/dev/null || without C "there is no C compiler"
command -v valgrind >/dev/null || without valgrind "it is not installed"
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    without Node.js "node or npm is not installed"
elif [ ! -d "$clients/node_modules/koffi" ]; then
    get_koffi || without Node.js "koffi cannot be had from npm"
fi
if ! command -v nim >/dev/null && [ ! -x "$clients/nim/bin/nim" ]; then
    get_nim 2>"$clients/nim.log" || without Nim "there is no nim, and Debian's package cannot be had ($clients/nim.log)"
fi
[ -z "$missing" ] || [ "${LOGOS_CLIENTS:-}" != required ]
