#!/bin/sh
# Makes example-c.wasm. Needs wit-bindgen 0.63.0, ziglang 0.15.2 (a C compiler with a C library for WebAssembly) and jsmn's header.
set -eu
cd "$(dirname "$0")"

wit-bindgen c wit --world integration-provider --out-dir gen
cp /usr/include/jsmn.h gen/
python-zig cc -std=c23 -Wall -Wextra -Wno-unused-parameter -target wasm32-wasi -Oz -mexec-model=reactor -s \
    -Igen ./*.c gen/*.c gen/*.o -o example-c.wasm
