#!/bin/sh
# Makes example-go.wasm, a core module of which the host makes a component. Needs wit-bindgen 0.63.0 and Go 1.27.1 or later.
set -eu
cd "$(dirname "$0")"

wit-bindgen go wit --world integration-provider
# What the bindings import, unless there is a workspace that has it.
[ -e go.work ] || go mod tidy
GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-checklinkname=0 -s -w' -o example-go.wasm .
