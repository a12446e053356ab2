#!/bin/sh
# Makes sure that schemathesis is there, which checks the HTTP API against its own description (tests/tests/it/openapi.rs).
set -eu
cd "$(dirname "$0")/../.."

tests/python-environment.sh target/schemathesis tests/schemathesis/requirements.txt "schemathesis, to check the HTTP API"
