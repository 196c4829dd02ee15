#!/usr/bin/env bash
# Screens a made-up export of many rows twice: once without a stop, and once
# killed at random moments and gone on with. Both must give the same bytes, and
# the program's memory must stay under 600 MB throughout. The test
# `a_run_that_is_killed_goes_on_to_the_same_bytes` does the same on forty rows.
#
#   tests/screen_large.sh [ROWS] [KILLS] [FOLDER] [SECONDS]
#
# SECONDS: the longest time from a start to its kill; without it, such that the
# kills are spread over the whole run. THROUGHLINE names the program; without it
# the release build runs, which must not be built anew meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-100000} kills=${2:-10} folder=${3:-$(mktemp -d)} within=${4:-}
program=${THROUGHLINE:-target/release/throughline}
[ -x "$program" ] || cargo build --release
mkdir -p "$folder"
export="$folder/export.csv" whole="$folder/whole" killed="$folder/killed"
[ -e "$export" ] || "$program" generate export datasets/throughline-1/*.jsonl --rows "$rows" --seed 1 --out "$export"

# Starts the program itself in the background, so that $! is its own number.
begin() { "$program" screen "$export" --map-file datasets/sample/closed.toml --out "$1" 2>>"$1.log" & pid=$!; }

# Notes the highest resident memory of process $pid, in kB, as the kernel counts it.
peak=0
note_peak() {
    local now
    now=$(awk '/^VmHWM/ {print $2}' "/proc/$pid/status" 2>/dev/null || true)
    if [ -n "$now" ] && [ "$now" -gt "$peak" ]; then peak=$now; fi
}

# Waits until process $pid has ended; fails where it failed.
finish() {
    while kill -0 "$pid" 2>/dev/null; do note_peak; sleep 0.2; done
    local status=0
    wait "$pid" || status=$?
    if [ $status -gt 1 ]; then tail -5 "$1.log" >&2; echo "the run failed with status $status" >&2; exit 1; fi
}

echo "== without a stop, $rows rows in $folder"
began=$(date +%s)
begin "$whole"
finish "$whole"
seconds=$(($(date +%s) - began))
echo "$seconds s, peak memory $((peak / 1024)) MB"

within=${within:-$((1 + 2 * seconds / (kills + 2)))}
echo "== killed $kills times"
for kill in $(seq "$kills"); do
    begin "$killed"
    tenths=$((5 + RANDOM % (10 * within)))
    for _ in $(seq $((tenths / 5))); do if kill -0 "$pid" 2>/dev/null; then note_peak; sleep 0.5; fi; done
    if kill -9 "$pid" 2>/dev/null; then
        echo "kill $kill after $((tenths / 10)).$((tenths % 10)) s, $(cat "$killed"/assessments.jsonl 2>/dev/null | wc -l) reports assessed"
    else
        echo "run $kill had ended" >&2
        exit 1
    fi
    wait "$pid" 2>/dev/null || true
done
begin "$killed"
finish "$killed"

[ "$(ls "$whole")" = "$(ls "$killed")" ] || { echo "the folders hold other files" >&2; exit 1; }
for file in "$whole"/*; do
    name=$(basename "$file")
    [ "$name" = manifest.json ] || cmp "$file" "$killed/$name" || { echo "$name differs" >&2; exit 1; }
done
lines=$(wc -l < "$whole/assessments.jsonl") refused=$(wc -l < "$whole/rejected.jsonl")
echo "the same bytes; $lines assessed, $refused refused, peak memory $((peak / 1024)) MB"
if [ $peak -gt $((600 * 1024)) ]; then echo "peak memory is above 600 MB" >&2; exit 1; fi
