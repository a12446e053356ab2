#!/bin/sh
# Makes sure that schemathesis is there, which checks the HTTP API against its own description (tests/tests/it/openapi.rs).
#
# It lives in a virtual environment below target/, made anew when requirements.txt changes. Where Debian's Python cannot make
# one, the package that it lacks is installed if this runs as root.
set -eu
cd "$(dirname "$0")/../.."

requirements=tests/schemathesis/requirements.txt
environment=target/schemathesis

if [ -x "$environment/bin/schemathesis" ] && cmp -s "$requirements" "$environment/requirements.txt"; then
    exit 0
fi

has_python() {
    python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

install() {
    apt-get install --yes --quiet --no-install-recommends "$@" >/dev/null
}

if ! has_python && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing python3-venv, to check the HTTP API"
    export DEBIAN_FRONTEND=noninteractive
    # The lists may be missing or old: then fetch them and try once more.
    install python3-venv 2>/dev/null || { apt-get update --quiet >/dev/null && install python3-venv; }
fi

if ! has_python; then
    echo "The HTTP API is checked by schemathesis, which needs Python 3.10 or later with venv. This helps:" >&2
    echo "  apt-get install --no-install-recommends python3-venv   (Debian, as root)" >&2
    exit 1
fi

echo "Installing schemathesis, to check the HTTP API"
rm -rf "$environment"
python3 -m venv "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
cp "$requirements" "$environment/requirements.txt"
