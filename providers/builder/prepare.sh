#!/bin/sh
# Makes sure that providers can be compiled to WebAssembly, and says which way.
#
# The compiler in use needs the target's standard library, which rustup installs. Where rustup cannot, Debian's packages
# bring a compiler with the source of its own standard library; they are installed if this runs as root.
set -eu

target=wasm32-unknown-unknown
packages="rustc-web cargo-web rust-web-src"

has_target() {
    folder=$(rustc --print target-libdir --target "$target" 2>/dev/null) || return 1
    ls "$folder"/libstd-* >/dev/null 2>&1
}

has_debian() {
    [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] && [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std" ]
}

has_linker() {
    ls "$(rustc --print sysroot)"/lib/rustlib/*/bin/rust-lld /usr/bin/wasm-ld* 2>/dev/null | grep -q .
}

by_toolchain() {
    echo "Providers are compiled by the toolchain in use, which has $target."
    exit 0
}

by_debian() {
    echo "Providers are compiled by Debian's compiler: the toolchain in use has no standard library for $target."
    exit 0
}

has_target && by_toolchain
has_debian && has_linker && by_debian

# A failure may be slow where nothing can be downloaded, so it has a bound.
if command -v rustup >/dev/null && command -v timeout >/dev/null; then
    timeout 60 rustup target add "$target" >/dev/null 2>&1 && has_target && by_toolchain
fi

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    has_linker || packages="$packages lld"
    echo "Installing $packages, to compile providers to WebAssembly"
    # shellcheck disable=SC2086 # one word for each package
    "$(dirname "$0")/install.sh" $packages
    by_debian
fi

echo "Providers are compiled to WebAssembly, and no compiler here can do it. Either of these helps:" >&2
echo "  rustup target add $target" >&2
echo "  apt-get install --no-install-recommends $packages   (Debian, as root)" >&2
exit 1
