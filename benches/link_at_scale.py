"""Time and memory of linking pools of made-up features, and of adding to a store.

    cargo build --release
    python benches/link_at_scale.py [--sizes 10000,100000,1000000] [--work DIR]

Runs `throughline generate pool` and `throughline link`, and writes benches/results/link_at_scale.json
and .md with the processor, the commit and the commands. Needs some 6 GB of disk for a million reports.
"""

import argparse
import json
import os
import platform
import random
import re
import subprocess
import tempfile
import time

PROGRAM = os.path.abspath("target/release/throughline")


def said(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        names = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()


def run(size, work):
    pool, truth, out, measured = (os.path.join(work, f"{name}{size}") for name in ["pool", "truth", "out", "measured"])
    subprocess.run([PROGRAM, "generate", "pool", "--reports", str(size), "--out", pool, "--truth", truth], check=True)
    command = [PROGRAM, "link", pool, "--out", out, "--truth", truth, "--measure", measured]
    before = os.times()
    start = time.monotonic()
    subprocess.run(command, check=True)
    wall = time.monotonic() - start
    after = os.times()
    row = json.load(open(measured, encoding="utf-8"))
    row["wall_seconds"] = round(wall, 2)
    row["cpu_seconds"] = round(after.children_user + after.children_system - before.children_user - before.children_system, 2)
    return row


def store(size, adds, work):
    """Milliseconds for reports that join a store one at a time, as the program tells them."""
    lines = open(os.path.join(work, f"pool{size}"), encoding="utf-8").read().splitlines()
    random.Random(1).shuffle(lines)
    base, new = os.path.join(work, "base.jsonl"), os.path.join(work, "new.jsonl")
    path, out = os.path.join(work, "store.db"), os.path.join(work, "store-out")
    with open(base, "w", encoding="utf-8") as file:
        file.write("\n".join(lines[adds:]) + "\n")
    subprocess.run([PROGRAM, "link", base, "--store", path, "--out", out], check=True)
    milliseconds = []
    for line in lines[:adds]:
        with open(new, "w", encoding="utf-8") as file:
            file.write(line + "\n")
        told = subprocess.run([PROGRAM, "link", new, "--store", path, "--out", out], check=True, capture_output=True, text=True)
        milliseconds.append(float(re.search(r"in ([0-9.]+) ms", told.stderr).group(1)))
    milliseconds.sort()
    at = lambda share: milliseconds[min(len(milliseconds) - 1, int(share * len(milliseconds)))]
    return {"reports": size - adds, "added": adds, "median_ms": at(0.5), "p95_ms": at(0.95), "max_ms": milliseconds[-1]}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--sizes", default="10000,100000,1000000")
    arguments.add_argument("--store", type=int, default=100000, help="size of the store that is added to; 0 for none")
    arguments.add_argument("--adds", type=int, default=200)
    arguments.add_argument("--work", help="folder for pools and answers")
    arguments = arguments.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    with tempfile.TemporaryDirectory(dir=arguments.work) as work:
        told = {
            "cpu": processor(),
            "commit": said("git", "rev-parse", "--short", "HEAD"),
            "command": f"python benches/link_at_scale.py --sizes {arguments.sizes}",
            "load_average_at_start": os.getloadavg()[0],
            "runs": [run(size, work) for size in sizes],
        }
        if arguments.store in sizes:
            told["store"] = store(arguments.store, arguments.adds, work)
    with open("benches/results/link_at_scale.json", "w", encoding="utf-8") as out:
        json.dump(told, out, indent=2)
        out.write("\n")
    with open("benches/results/link_at_scale.md", "w", encoding="utf-8") as out:
        out.write(f"{told['cpu']}, load {told['load_average_at_start']:.1f} at the start; commit {told['commit']}; `{told['command']}`\n\n")
        out.write("| reports | wall s | CPU s | read | prepare | block | compare | write | peak MB | pairs | completeness | of pairs above 0 bits | precision | recall |\n")
        out.write("| ---: " * 14 + "|\n")
        for row in told["runs"]:
            seconds, truth = dict(row["seconds"]), row["against_truth"]
            cells = [row["reports"], row["wall_seconds"], row["cpu_seconds"]]
            cells += [seconds[stage] for stage in ["read", "prepare", "block", "compare", "write"]]
            cells += [row["peak_memory_mb"], row["pairs_compared"], truth["pair_completeness"]]
            cells += [truth["completeness_above_zero"], truth["pairwise_precision"], truth["pairwise_recall"]]
            out.write("| " + " | ".join(map(str, cells)) + " |\n")
        if "store" in told:
            s = told["store"]
            out.write(f"\nA report that joins a store of {s['reports']}: median {s['median_ms']} ms, 95 % within {s['p95_ms']} ms, at most {s['max_ms']} ms ({s['added']} reports, a process each).\n")


if __name__ == "__main__":
    main()
