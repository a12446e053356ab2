#!/bin/sh
# python-environment.sh FOLDER REQUIREMENTS WHAT: makes a virtual environment with what a file requires, and makes it anew when the file
# changes. Where Debian's Python cannot make one, the package that it lacks is installed if this runs as root.
set -eu
environment=$1
requirements=$2
what=$3

if [ -x "$environment/bin/python" ] && cmp -s "$requirements" "$environment/requirements.txt"; then
    exit 0
fi

has_python() {
    python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
}

has_python || "$(dirname "$0")/../providers/builder/install.sh" python3-venv || true
if ! has_python; then
    echo "Python 3.10 or later with venv is needed for $what. This helps:" >&2
    echo "  apt-get install --no-install-recommends python3-venv   (Debian, as root)" >&2
    exit 1
fi

echo "Installing $what"
rm -rf "$environment"
python3 -m venv "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
cp "$requirements" "$environment/requirements.txt"
