#!/bin/sh
# Makes example-javascript.wasm and example-javascript-fetch.wasm. Needs Node 20.19 or later.
set -eu
cd "$(dirname "$0")"

[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund
node build.mjs with-send.js example-javascript.wasm stdio clocks random
node build.mjs with-fetch.js example-javascript-fetch.wasm stdio clocks random http fetch-event
