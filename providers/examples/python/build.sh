#!/bin/sh
# Makes example-python.wasm. Needs componentize-py 0.25.1.
set -eu
cd "$(dirname "$0")"

componentize-py --wit-path wit --world integration-provider componentize app --output example-python.wasm
