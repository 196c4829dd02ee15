"""Golden hidden states of the shipped model, by Hugging Face's `transformers`.

    python3 -m venv venv && venv/bin/pip install torch transformers
    venv/bin/python tests/golden/make_golden.py > tests/golden/hidden_states.json

The weights are float16 in the file; both sides compute in float32. For each
text: its token ids, and of every token's hidden state the first eight values
and the mean, rounded to six places.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModel, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parents[2] / "models" / "default"
TEXTS = [
    "He sat outside her work again.",
    "INFT STATES EX PARTNER O/S ADDRESS, REFUSING TO LEAVE, VRM KX19 ABC",
    "Zoë's café 😡 was closed, naïve driver said it’s a “loading bay” – 07700 900123",
    "i blocked him and he made a new account and sent me pictures of my own front door, " * 6,
]

tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(ROOT / "tokenizer.json"))
model = AutoModel.from_pretrained(ROOT, dtype=torch.float32, add_pooling_layer=False).eval()
# Throughline makes typographic characters plain before it tokenises.
PLAIN = str.maketrans({"’": "'", "“": '"', "”": '"', "–": "-"})
cases = []
for text in TEXTS:
    ids = tokenizer(text.translate(PLAIN), return_tensors="pt")["input_ids"]
    with torch.no_grad():
        hidden = model(input_ids=ids).last_hidden_state[0]
    cases.append(
        {
            "text": text,
            "ids": ids[0].tolist(),
            "first": [[round(v, 6) for v in row[:8].tolist()] for row in hidden],
            "mean": [round(row.mean().item(), 6) for row in hidden],
        }
    )
json.dump(cases, sys.stdout, ensure_ascii=False)
sys.stdout.write("\n")
