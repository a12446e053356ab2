#!/bin/sh
# Installs Debian packages where that is possible: as root, on a system that has apt. Fails where it is not.
set -eu

[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
export DEBIAN_FRONTEND=noninteractive

install() {
    apt-get install --yes --quiet --no-install-recommends "$@" >/dev/null
}

# The lists may be missing or old: then fetch them and try once more.
install "$@" 2>/dev/null || { apt-get update --quiet >/dev/null && install "$@"; }
