#!/usr/bin/env bash
# Screens a made-up export of many rows twice: once without a stop, with its
# peak memory measured, and once killed at random moments and gone on with.
# Both must give the same bytes. The test `a_run_that_is_killed_goes_on_to_the_same_bytes`
# does the same on forty rows.
#
#   tests/screen_large.sh [ROWS] [KILLS] [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-100000} kills=${2:-10} folder=${3:-$(mktemp -d)}
program=target/release/throughline
[ -x "$program" ] || cargo build --release
mkdir -p "$folder"
export="$folder/export.csv" whole="$folder/whole" killed="$folder/killed"
[ -e "$export" ] || "$program" generate export datasets/throughline-1/*.jsonl --rows "$rows" --seed 1 --out "$export"
screen() { "$program" screen "$export" --map-file datasets/sample/closed.toml --out "$1"; }

# Highest resident memory of a process so far, in kB, as the kernel counts it.
peak_of() { awk '/^VmHWM/ {print $2}' "/proc/$1/status" 2>/dev/null || true; }

echo "== without a stop, $rows rows in $folder"
began=$(date +%s)
screen "$whole" & pid=$!
peak=0
while kill -0 $pid 2>/dev/null; do
    now=$(peak_of $pid)
    [ -n "$now" ] && peak=$now
    sleep 0.5
done
status=0; wait $pid || status=$?
[ $status -le 1 ] || { echo "the run failed with status $status" >&2; exit 1; }
seconds=$(($(date +%s) - began))
echo "peak memory $((peak / 1024)) MB, $seconds s"

echo "== killed $kills times"
for kill in $(seq "$kills"); do
    screen "$killed" 2>>"$folder/killed.log" & pid=$!
    # Anywhere in about the first share of what is left.
    wait_s=$((1 + RANDOM % (1 + 2 * seconds / (kills + 2))))
    for _ in $(seq "$wait_s"); do kill -0 $pid 2>/dev/null && sleep 1; done
    if kill -9 $pid 2>/dev/null; then echo "kill $kill after $wait_s s"; else echo "run $kill had ended"; fi
    wait $pid 2>/dev/null || true
done
screen "$killed" 2>>"$folder/killed.log" || [ $? -le 1 ]

for file in "$whole"/*; do
    name=$(basename "$file")
    [ "$name" = manifest.json ] && continue
    cmp "$file" "$killed/$name" || { echo "$name differs" >&2; exit 1; }
done
[ "$(ls "$whole")" = "$(ls "$killed")" ] || { echo "the folders hold other files" >&2; exit 1; }
lines=$(wc -l < "$whole/assessments.jsonl") refused=$(wc -l < "$whole/rejected.jsonl")
echo "the same bytes; $lines assessed, $refused refused, peak memory $((peak / 1024)) MB"
if [ $peak -gt $((600 * 1024)) ]; then echo "peak memory is above 600 MB" >&2; exit 1; fi
