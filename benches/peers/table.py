#!/usr/bin/env python3
"""One table of speed: our engine beside ONNX Runtime and PyTorch, on the same encoder weights and texts.

    python3 -m venv .venv && .venv/bin/pip install torch transformers onnx onnxruntime onnxscript
    cargo build --release && .venv/bin/python benches/peers/table.py

All sides run in turn within one run, the answers are compared before anything is timed, and no text is
read twice within a measurement: a tenth of the texts is read one by one, a tenth by 8, a fifth by 32, the
rest as a whole file. The time of a text of 160 tokens is the median over those of 120 to 200, each scaled. Raw results go to benches/results/ with CPU, commit and command.

What is fair and what is not. The peers get batches sorted by length in the whole-file row, which is what a
careful user does; by 8 and by 32 they are as they come, padded to the longest. Tokenising is timed on both
sides. Peers run the encoder alone, so "encoder" is the row to compare; "with heads" is all of ours, from
text to assessment. Texts are cut at 512 tokens where the encoder alone is compared, since peers are.
The time to a peer's first answer counts the start of Python and the import of the library.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from importlib import metadata

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
# The corpus's test split: authors that no part of the model was fitted on.
AUTHORS = "A03,A10,A16,A35,A38,A39,A40,A58"
PEERS = ["onnxruntime-float32", "onnxruntime-int8", "torch-float32"]
WINDOW = 512


def split(n):
    """Where the parts of the texts end; benches/ours.rs does the same."""
    return n // 10, n // 5, 2 * n // 5


# ---- one peer, in a process of its own -------------------------------------------------------------


def export(model_dir, folder):
    """Writes the encoder as float32 and int8 graphs for ONNX Runtime."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer
    from transformers import BertModel

    model = BertModel.from_pretrained(model_dir, attn_implementation="eager", add_pooling_layer=False)
    model = model.float().eval()

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, input_ids, attention_mask):
            return self.inner(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    ids = torch.randint(100, 999, (2, 16))
    axes = {0: "texts", 1: "tokens"}
    raw = os.path.join(folder, "raw.onnx")
    names = ["input_ids", "attention_mask"]
    torch.onnx.export(
        Hidden(), (ids, torch.ones_like(ids)), raw, input_names=names, output_names=["hidden"],
        dynamic_axes={name: axes for name in [*names, "hidden"]}, opset_version=17, dynamo=False,
    )
    config = model.config
    fused = optimizer.optimize_model(
        raw, model_type="bert", num_heads=config.num_attention_heads, hidden_size=config.hidden_size
    )
    float32, int8 = (os.path.join(folder, f"{kind}.onnx") for kind in ("float32", "int8"))
    fused.save_model_to_file(float32)
    quantize_dynamic(
        float32, int8, weight_type=QuantType.QInt8, per_channel=True, extra_options={"DefaultTensorType": 1}
    )


def open_peer(name, model_dir, folder, threads):
    """A function from token ids and mask to hidden states."""
    if name.startswith("onnxruntime"):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        path = os.path.join(folder, name.split("-")[1] + ".onnx")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda ids, mask: session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
    import torch
    from transformers import BertModel

    torch.set_num_threads(threads)
    model = BertModel.from_pretrained(model_dir, attn_implementation="sdpa", add_pooling_layer=False)
    model = model.float().eval()

    def run(ids, mask):
        with torch.inference_mode():
            out = model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))
        return out.last_hidden_state.numpy()

    return run


def peer(arguments):
    """Measures one peer and prints one JSON line."""
    import numpy as np
    from tokenizers import Tokenizer

    warnings.filterwarnings("ignore")
    tokenizer = Tokenizer.from_file(os.path.join(arguments.model, "tokenizer.json"))
    tokenizer.enable_truncation(WINDOW)
    tokenizer.no_padding()
    texts = [json.loads(line)["text"] for line in open(arguments.texts, encoding="utf-8")]
    run = open_peer(arguments.peer, arguments.model, arguments.folder, arguments.threads)

    def encode(some):
        return [e.ids for e in tokenizer.encode_batch(some)]

    def pad(group):
        width = max(map(len, group))
        ids = np.zeros((len(group), width), np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(group):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        return ids, mask

    if arguments.first:
        run(*pad(encode(texts[:1])))
        return
    if arguments.vectors:
        # Nothing is timed: no text is to be read twice within a measurement.
        vectors = [run(*pad(encode([text])))[0].mean(axis=0).tolist() for text in texts[:50]]
        with open(arguments.vectors, "w", encoding="utf-8") as out:
            json.dump(vectors, out)
        return
    warm, rest = texts[:8], texts[8:]
    run(*pad(encode(warm)))
    one, eight, thirty_two = split(len(rest))
    single, of_160 = [], []
    for text in rest[:one]:
        start = time.perf_counter()
        tokens = encode([text])
        run(*pad(tokens))
        single.append((time.perf_counter() - start) * 1e3)
        if 120 <= len(tokens[0]) <= 200:
            of_160.append(single[-1] * 160 / len(tokens[0]))

    def by(some, size, ordered):
        start = time.perf_counter()
        encoded = encode(some) if ordered else None
        if ordered:
            encoded.sort(key=len)
        tokens = 0
        for at in range(0, len(some), size):
            group = encoded[at : at + size] if ordered else encode(some[at : at + size])
            tokens += sum(map(len, group))
            run(*pad(group))
        return len(some) / (time.perf_counter() - start), tokens, time.perf_counter() - start

    by_eight = by(rest[one:eight], 8, False)[0]
    by_thirty_two = by(rest[eight:thirty_two], 32, False)[0]
    whole, tokens, seconds = by(rest[thirty_two:], 32, True)
    rate = len(single) / sum(single) * 1e3
    single.sort()
    at = lambda share: single[round((len(single) - 1) * share)]
    print(json.dumps({
        "what": arguments.peer, "threads": arguments.threads, "texts": len(rest) - thirty_two, "tokens": tokens,
        "seconds": seconds, "texts_per_s": {"1": rate, "8": by_eight, "32": by_thirty_two, "file": whole},
        "single_ms": {"p50": at(0.5), "p95": at(0.95), "of_160": statistics.median(of_160) if of_160 else None},
    }))


# ---- all sides in turn -----------------------------------------------------------------------------


def call(command):
    """Runs a command; its last line, seconds, and peak memory in MB. The kernel counts a child's memory from that
    of its parent on, so this process imports nothing that is large."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    out = process.stdout.read()
    talk = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}\n{talk.decode()}")
    lines = out.decode().strip().splitlines()
    return (lines[-1] if lines else ""), seconds, usage.ru_maxrss / 1024


def build():
    """Builds the program and our side of the bench; the path of the latter."""
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    command = ["cargo", "bench", "--bench", "ours", "--no-run", "--profile", "release", "--message-format=json"]
    out = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout.decode()
    for line in out.splitlines():
        message = json.loads(line)
        if message.get("executable") and message.get("target", {}).get("name") == "ours":
            return message["executable"]
    sys.exit("cargo built no bench named `ours`")


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    return dot / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5


def compare(vectors):
    """The worst cosine of each side's mean hidden states to PyTorch's; stops where one is no encoder of ours."""
    truth = json.load(open(vectors["torch-float32"], encoding="utf-8"))
    answer = {}
    for name, path in vectors.items():
        rows = json.load(open(path, encoding="utf-8"))
        worst = min(cosine(a, b) for a, b in zip(rows, truth, strict=True))
        least = 0.98 if "int8" in name else 0.9999
        if not worst >= least:
            sys.exit(f"{name}: the answers differ from PyTorch's, worst cosine {worst}")
        answer[name] = worst
    return answer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=os.path.join(ROOT, "models", "default"))
    parser.add_argument("--data", default=os.path.join(ROOT, "datasets", "throughline-1"))
    parser.add_argument("--authors", default=AUTHORS)
    parser.add_argument("--limit", type=int, default=0, help="most texts, for a quick look")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all sides; medians are shown")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--out", default=os.path.join(ROOT, "benches", "results"))
    parser.add_argument("--ours", help="a built bench, instead of building it")
    for name in ("peer", "texts", "folder", "vectors"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    for name in ("first", "export"):
        parser.add_argument(f"--{name}", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.export:
        return export(arguments.model, arguments.folder)
    if arguments.peer:
        arguments.threads = arguments.threads[0]
        return peer(arguments)

    ours = arguments.ours or build()
    program = os.path.join(ROOT, "target", "release", "throughline")
    folder = tempfile.mkdtemp(prefix="throughline-bench-")
    texts = os.path.join(folder, "texts.jsonl")
    call([ours, "texts", "--out", texts, "--authors", arguments.authors, arguments.data])
    if arguments.limit:
        lines = open(texts, encoding="utf-8").readlines()[: arguments.limit]
        open(texts, "w", encoding="utf-8").writelines(lines)
    call([sys.executable, __file__, "--export", "--model", arguments.model, "--folder", folder])

    vectors, sides = {}, []
    for name in PEERS:
        vectors[name] = os.path.join(folder, name + ".json")
        side = [sys.executable, __file__, "--peer", name, "--model", arguments.model, "--texts", texts]
        sides.append((name, [*side, "--folder", folder]))
    for engine in ("float32", "int8"):
        name = f"ours-{engine}"
        vectors[name] = os.path.join(folder, name + ".json")
        common = ["--model", arguments.model, "--texts", texts, "--engine", engine]
        sides.append((name, [ours, "encoder", *common]))
        sides.append((name + "-with-heads", [ours, "whole", *common]))

    for name, command in sides:
        if name in vectors:
            call([*command, "--vectors", vectors[name], "--threads", "2"])
    cosines = compare(vectors)

    results, peaks = [], []
    for threads in arguments.threads:
        for turn in range(arguments.rounds):
            for name, command in sides:
                line, _, memory = call([*command, "--threads", str(threads)])
                results.append({"side": name, "turn": turn, "peak_mb": memory, **json.loads(line)})
                print(f"{name}, {threads} threads, turn {turn}: {results[-1]['texts_per_s']}", file=sys.stderr)
            peaks.append(json.loads(call([ours, "peak", "--threads", str(threads)])[0]))

    # Process start to first answer, eleven times each.
    text = json.loads(open(texts, encoding="utf-8").readline())["text"]
    first = {}
    commands = [("ours-" + e, [program, "score", "--text", text, "--engine", e]) for e in ("int8", "float32")]
    commands += [(name, [*command, "--first", "--threads", "2"]) for name, command in sides if name in PEERS]
    for name, command in commands:
        runs = [call(command) for _ in range(11 if name.startswith("ours") else 3)]
        first[name] = {"seconds": statistics.median(r[1] for r in runs), "peak_mb": max(r[2] for r in runs)}

    machine = {"cpu": cpu(), "cores": os.cpu_count(), "load": os.getloadavg(), "system": platform.platform()}
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE).stdout.decode().strip()
    commit += "" if not subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=ROOT).returncode else " with changes"
    raw = {
        "machine": machine, "commit": commit, "command": " ".join(["benches/peers/table.py", *sys.argv[1:]]),
        "versions": versions(), "cosines": cosines, "first_answer": first, "peaks": peaks, "results": results,
    }
    text = table(raw, arguments.model)
    os.makedirs(arguments.out, exist_ok=True)
    for name, content in (("speed.json", json.dumps(raw, indent=1) + "\n"), ("speed.md", text)):
        with open(os.path.join(arguments.out, name), "w", encoding="utf-8") as out:
            out.write(content)
    print(text)


def cpu():
    for line in open("/proc/cpuinfo", encoding="utf-8"):
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def versions():
    return {**{name: metadata.version(name) for name in ("onnxruntime", "torch")}, "python": platform.python_version()}


def operations(model_dir, tokens):
    """Operations of the encoder's products over so many tokens, attention left out."""
    config = json.load(open(os.path.join(model_dir, "config.json"), encoding="utf-8"))
    d, f = config["hidden_size"], config["intermediate_size"]
    return 2 * tokens * config["num_hidden_layers"] * (4 * d * d + 2 * d * f)


def table(raw, model_dir):
    machine = raw["machine"]
    lines = [
        "# Speed beside ONNX Runtime and PyTorch", "",
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load'][0]:.1f} at the end; commit {raw['commit'][:12]}"
        f"{raw['commit'][40:]}; ONNX Runtime {raw['versions']['onnxruntime']}, PyTorch {raw['versions']['torch']}; "
        f"`{raw['command']}`. Medians over the rounds of one run. Answers were compared first: worst cosine of a mean "
        "hidden state to PyTorch's "
        + ", ".join(f"{name} {value:.5f}" for name, value in raw["cosines"].items() if name != "torch-float32") + ".", "",
        "| side | threads | texts/s, 1 | 8 | 32 | whole file | tokens/s, file | one text, ms p50 | p95 | of 160 tokens | peak MB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    keys = dict.fromkeys((r["threads"], r["side"]) for r in raw["results"])
    rates = {}
    for threads, side in keys:
        rows = [r for r in raw["results"] if (r["threads"], r["side"]) == (threads, side)]
        middle = lambda f: statistics.median(f(r) for r in rows)
        by = [middle(lambda r, k=k: r["texts_per_s"][k]) for k in ("1", "8", "32", "file")]
        tokens = middle(lambda r: r["tokens"] / r["seconds"]) if not side.endswith("heads") else None
        rates[threads, side] = (by[3], tokens)
        cells = [side, str(threads), *(f"{v:.1f}" for v in by), f"{tokens:.0f}" if tokens else "",
                 f"{middle(lambda r: r['single_ms']['p50']):.1f}", f"{middle(lambda r: r['single_ms']['p95']):.1f}",
                 f"{middle(lambda r: r['single_ms']['of_160'] or 0):.1f}",
                 f"{max(r['peak_mb'] for r in rows):.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| whole file, encoder alone | threads | times the peer's speed |", "| --- | --- | --- |"]
    for threads in sorted({t for t, _ in keys}):
        for kind in ("float32", "int8"):
            ratio = rates[threads, f"ours-{kind}"][0] / rates[threads, f"onnxruntime-{kind}"][0]
            lines.append(f"| ours {kind} against ONNX Runtime {kind} | {threads} | {ratio:.2f} |")
    lines += ["", "| start of process to first answer | seconds | peak MB |", "| --- | --- | --- |"]
    for name, row in raw["first_answer"].items():
        lines.append(f"| {name} | {row['seconds']:.3f} | {row['peak_mb']:.0f} |")
    lines += ["", "Roofline, encoder alone over the whole file (products only; attention, norms and tokenising are in the time but "
              "not in the count):", ""]
    for threads in sorted({t for t, _ in keys}):
        peaks = [p for p in raw["peaks"] if p["threads"] == threads]
        for kind, key in (("float32", "float32_gflops"), ("int8", "int8_gops")):
            peak = max(p[key] for p in peaks)
            got = operations(model_dir, rates[threads, f"ours-{kind}"][1]) / 1e9
            lines.append(f"- {kind}, {threads} threads: {got:.0f} of {peak:.0f} measured 10⁹ operations a second, "
                         f"{100 * got / peak:.0f} %.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
