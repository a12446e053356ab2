#!/bin/sh
# Builds the examples, each by its own build.sh, in a copy below target/examples, with tools that are installed there too. What did
# not change is not built again. Those in JavaScript, Python and Go are built once more with a fault from tests/guests.
#
# A language whose tools cannot be had here is left out, and that is said; with POSTERN_EXAMPLES=required it is an error.
set -eu
cd "$(dirname "$0")/../.."
here=providers/examples

mkdir -p "${CARGO_TARGET_DIR:-target}/examples"
build=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
tools=$build/examples/tools
PATH=$tools/python/bin:$build/debug:$PATH
# The tools keep here what they make for the next time, and Go uses nothing but what is here.
export ZIG_GLOBAL_CACHE_DIR="$tools/zig" ZIG_LOCAL_CACHE_DIR="$tools/zig"
export GOCACHE="$tools/go/cache" GOPATH="$tools/go/path" GOPROXY=off GOTOOLCHAIN=local

# is_new NAME INPUT…: whether what it is made of changed since it was built.
is_new() {
    copy=$build/examples/$1
    shift
    made_of=$(find -L "$here/build.sh" "$here/requirements.txt" "$@" -type f ! -name README.md | LC_ALL=C sort | xargs sha256sum; grep '^wit-bindgen' Cargo.toml)
    [ "$made_of" != "$(cat "$copy.built" 2>/dev/null)" ]
}

# start FOLDER: copies an example. What npm installed stays: javascript/build.sh knows whether it is still good.
start() {
    rm -f "$copy.built"
    mkdir -p "$copy"
    find "$copy" -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {} +
    cp -RLp "$here/$1/." "$copy"
}

# finish [COMMAND…]: runs build.sh of the copy, and then a command in it.
finish() {
    echo "Building the example $(basename "$copy")"
    (cd "$copy" && ./build.sh && "${@:-true}") >"$copy.log" 2>&1 || { cat "$copy.log" >&2; exit 1; }
    echo "$made_of" >"$copy.built"
}

left_out() {
    rm -rf "$copy" "$copy.built"
    echo "examples: $(basename "$copy") is left out: it needs $1" >&2
    [ "${POSTERN_EXAMPLES:-}" != required ] || exit 1
}

has_node() {
    node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || (major == 20 && minor >= 19) ? 0 : 1)' &&
        npm --version
} >/dev/null 2>&1

# Python's tool, and the compilers of Go and C, which come the same way.
has_python_tools() {
    [ "${python_tools:-}" ] || {
        tests/python-environment.sh "$tools/python" "$here/requirements.txt" "componentize-py, Go and Zig, to build examples" &&
            python_tools=there || python_tools=missing
    }
    [ "$python_tools" = there ]
}

has_jsmn() {
    [ -e /usr/include/jsmn.h ] || providers/builder/install.sh libjsmn-dev
}

make_bindings() {
    "${CARGO:-cargo}" build --quiet --package postern-example-bindings
}

go_workspace() {
    make_bindings
    rm -rf "$tools/go/runtime"
    wit-bindgen go-runtime "$tools/go/runtime"
    printf 'go 1.27.1\nuse (\n\t.\n\t%s\n)\n' "$tools/go/runtime" >"$copy/go.work"
}

python_needs="Python 3.10 or later with venv, and pip's packages of $here/requirements.txt"

javascript_example() {
    is_new javascript "$here/javascript" tests/guests/crashing.js || return 0
    if has_node; then
        start javascript
        cp tests/guests/crashing.js "$copy"
        finish node build.mjs crashing.js crashing-javascript.wasm stdio clocks random
    else
        left_out "Node 20.19 or later with npm"
    fi
}

# python_example NAME [FAULT]
python_example() {
    is_new "$1" "$here/python" ${2:+"$2"} || return 0
    if has_python_tools; then
        start python
        [ $# -eq 1 ] || { mv "$copy/app.py" "$copy/example.py" && cp "$2" "$copy"; }
        finish
    else
        left_out "$python_needs"
    fi
}

# go_example NAME [FAULT]
go_example() {
    is_new "$1" "$here/go" ${2:+"$2"} || return 0
    if has_python_tools; then
        start go
        [ $# -eq 1 ] || cp "$2" "$copy/export_postern_provider_provider"
        go_workspace
        finish
    else
        left_out "$python_needs"
    fi
}

c_example() {
    is_new c "$here/c" || return 0
    if has_python_tools && has_jsmn; then
        start c
        make_bindings
        finish
    else
        left_out "$python_needs, and jsmn.h (Debian: libjsmn-dev)"
    fi
}

javascript_example
python_example python
python_example crashing-python tests/guests/app.py
go_example go
go_example crashing-go tests/guests/deliver.go
c_example
