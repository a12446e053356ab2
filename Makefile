# The commands of this repository. `make demo` and `make test` need nothing done by hand before.
# Needed on the machine: a Rust toolchain (rustup), a C compiler and make; for the tests also Python 3.10 or later, and Node for
# those of providers in JavaScript.

CARGO ?= cargo
POSTERN = target/debug/postern

.PHONY: demo test run bench check fmt prepare build power crash

## Watch one event on its whole way; KEEP=1 keeps the daemon running.
demo: build
	@$(POSTERN) demo $(if $(KEEP),--keep)

## Everything: format, lints, tests, documentation; and, where cargo-fuzz and a nightly toolchain are, a short run of each fuzz target.
test: check build
	@tests/schemathesis/prepare.sh
	@CARGO="$(CARGO)" providers/examples/build.sh
	$(CARGO) test --workspace --quiet
	fuzz/run.sh 10

## A daemon of your own on ./postern-data, built for speed.
run: prepare
	$(CARGO) build --release --package postern
	target/release/postern serve

## What a sandboxed delivery costs, and how many a second there are.
bench: prepare
	$(CARGO) build --release --package postern --package postern-bench
	target/release/postern-bench $(BENCH)

## Format, lints and documentation, without the tests.
check: prepare
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- --deny warnings
	RUSTDOCFLAGS="--deny warnings --allow rustdoc::private-intra-doc-links" $(CARGO) doc --workspace --no-deps --document-private-items --quiet

fmt:
	$(CARGO) fmt --all

## Cut the power under the store, again and again (needs root and loop devices).
power: prepare
	tests/power/power.sh

## Kill the daemon under load, a hundred times on each engine: CRASH_KILLS=100 CRASH_SEED=1.
crash: build
	$(CARGO) test --workspace --test it -- crash::long --ignored --nocapture --test-threads=1

# Chosen out of the whole workspace, so that its dependencies are built as `make test` builds them, once.
build: prepare
	$(CARGO) build --workspace --bin postern

# Finds a way to compile providers to WebAssembly; see providers/builder/prepare.sh.
prepare:
	@providers/builder/prepare.sh
