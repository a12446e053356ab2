#!/bin/sh
# Runs every fuzz target for a while: fuzz/run.sh [SECONDS [TARGET…]], 20 seconds each unless said otherwise. What is found lies in
# fuzz/libfuzzer/artifacts; put it into fuzz/corpus/TARGET, from where the ordinary tests run it.
#
# Needed: cargo-fuzz (cargo install cargo-fuzz), a C++ compiler, and the nightly toolchain; or FUZZ_STABLE=1, with which the stable
# toolchain is told to take nightly's options. Without them this does nothing, and says so.
set -eu
cd "$(dirname "$0")"
seconds=${1:-20}
[ $# -eq 0 ] || shift

skip() {
    echo "fuzzing: skipped, $1 (cargo test -p postern-fuzz runs every target over its corpus and mutations of it)"
    exit 0
}
cargo fuzz --version >/dev/null 2>&1 || skip "cargo-fuzz is not installed"
if [ "${FUZZ_STABLE:-}" = 1 ]; then
    export RUSTC_BOOTSTRAP=1
    toolchain=
    # Address sanitizer finds nothing in code without unsafe that a panic does not tell.
    options="--sanitizer none"
else
    rustup run nightly rustc --version >/dev/null 2>&1 || skip "there is no nightly toolchain"
    toolchain=+nightly
    options=
fi
for target in ${*:-$(ls corpus)}; do
    mkdir -p "libfuzzer/corpus/$target"
    features=
    [ "$target" != component ] || features="--features component"
    echo "fuzzing: $target for $seconds s"
    # shellcheck disable=SC2086
    cargo $toolchain fuzz run --fuzz-dir libfuzzer $options $features "$target" "libfuzzer/corpus/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -max_len=8192 -timeout=10 -verbosity=0
done
