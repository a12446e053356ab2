#!/bin/sh
# The power-cut test: what the store acknowledged must survive the loss of everything that was not synced.
#
# A killed process alone proves nothing: the kernel keeps what it wrote. So the store lies on an ext4 file system on a
# loop device. The writer is killed, and at once the *backing file* is copied: what only the page cache of the inner
# file system knew is not in the copy. The copy is mounted (the journal is replayed, as after a real cut) and checked
# against the writer's log. The model is kind in one way: what was handed to the device counts as written, so a drive
# that loses its own cache is not covered.
#
#   tests/power/power.sh [ROUNDS] [ENGINES] [SIZES]        power.sh 5 "sled redb" "1000 12000 200000"
#
# Needs root and loop devices. POWER_TARGET names the folder with the built examples (default: it builds them),
# POWER_DIR where the images go (default: a temporary folder; 2 GiB), POWER_SECONDS how long each writer runs at most.
set -eu

rounds=${1:-5}
engines=${2:-"sled redb"}
sizes=${3:-"1000 12000 200000"}
seconds=${POWER_SECONDS:-6}

skip() { echo "power.sh: skipped: $1" >&2; exit 77; }
[ "$(id -u)" = 0 ] || skip "needs root, to mount"
command -v losetup >/dev/null && command -v mkfs.ext4 >/dev/null || skip "needs losetup and mkfs.ext4"

cd "$(dirname "$0")/../.."
if [ -n "${POWER_TARGET:-}" ]; then bin=$POWER_TARGET; else
    cargo build --quiet -p postern-store --examples
    bin=${CARGO_TARGET_DIR:-target}/debug/examples
fi
work=$(mktemp -d "${POWER_DIR:-${TMPDIR:-/tmp}}/power.XXXXXX")
writer=
clean_up() {
    [ -z "$writer" ] || kill -9 "$writer" 2>/dev/null || true
    umount "$work/live" 2>/dev/null || true
    umount "$work/after" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM
mkdir "$work/live" "$work/after"
truncate -s 1G "$work/image"
mkfs.ext4 -q -F "$work/image"
mount -o loop "$work/image" "$work/live" 2>/dev/null || skip "this machine has no loop devices"
umount "$work/live"

printf '%-6s %8s %7s %6s %5s %10s %10s\n' engine bytes rounds clean bad accepted finished
status=0
for engine in $engines; do
    for size in $sizes; do
        good=0; bad=0; accepted=0; finished=0; round=0
        while [ "$round" -lt "$rounds" ]; do
            round=$((round + 1))
            rm -f "$work/image" "$work/copy" "$work/log"
            truncate -s 1G "$work/image"
            mkfs.ext4 -q -F "$work/image"
            # A long commit interval: only what the store itself syncs reaches the device.
            mount -o loop,commit=300 "$work/image" "$work/live"
            "$bin/crash_writer" "$engine" "$work/live/data" "$work/log" "$size" 2>"$work/error" &
            writer=$!
            tries=0
            until [ -s "$work/log" ] || [ "$tries" -ge 100 ]; do sleep 0.1; tries=$((tries + 1)); done
            # From half a second to POWER_SECONDS, another moment each round.
            chance=$(od -An -N2 -tu2 /dev/urandom)
            sleep "$(awk -v chance="$chance" -v most="$seconds" 'BEGIN { print 0.5 + chance / 65536 * (most - 0.5) }')"
            kill -0 "$writer" 2>/dev/null || { echo "the writer ended by itself:"; cat "$work/error"; }
            kill -9 "$writer" 2>/dev/null || true
            cp --sparse=always "$work/image" "$work/copy"
            wait "$writer" 2>/dev/null || true
            writer=
            umount "$work/live"
            mount -o loop "$work/copy" "$work/after"
            result=$("$bin/crash_verify" "$engine" "$work/after/data" "$work/log" "$size" 2>>"$work/error") || true
            umount "$work/after"
            case $result in
                clean:*) good=$((good + 1)) ;;
                *) bad=$((bad + 1)); status=1; echo "round $round, $engine, $size: ${result:-$(tail -3 "$work/error")}" ;;
            esac
            [ -z "${POWER_VERBOSE:-}" ] || echo "$result"
            accepted=$((accepted + $(grep -c '^A' "$work/log" || true)))
            finished=$((finished + $(grep -c '^F' "$work/log" || true)))
        done
        printf '%-6s %8s %7s %6s %5s %10s %10s\n' "$engine" "$size" "$rounds" "$good" "$bad" "$accepted" "$finished"
    done
done
exit $status
