#!/usr/bin/env python3
"""What weight formats do to models, for ``gen compare``, out of docs/results/formats.json.

    .venv/bin/python scripts/docs/accuracies.py [--check]

Writes generators/compare/accuracies.json, which the package carries: by model and format the mean
cosine of embeddings that is lost (MiniLM), and the mean log likelihood of a text's tokens that is
lost, in nats (SmolLM2). ``--check`` changes nothing and has exit status 1 when the file is not what
the record says.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "docs" / "results" / "formats.json"
TARGET = ROOT / "generators" / "compare" / "accuracies.json"


def accuracies() -> dict[str, dict[str, float]]:
    """Model -> format -> loss."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    baseline = record["models"]["smollm2"]["likelihood"]
    return {"minilm": {row["format"]: 1 - row["minilm"]["cosine_mean"]
                       for row in record["formats"] if "minilm" in row},
            "smollm2": {row["format"]: row["smollm2"]["likelihood"] - baseline
                        for row in record["formats"] if "smollm2" in row}}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    args = parser.parse_args()
    text = json.dumps(accuracies(), indent=1) + "\n"
    if args.check:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
            print("generators/compare/accuracies.json is not what docs/results says; run "
                  "scripts/docs/accuracies.py")
            return 1
    else:
        TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
