#!/usr/bin/env python3
"""What weight formats do to models, for ``gen compare``, out of docs/results/formats.json.

    .venv/bin/python scripts/docs/accuracies.py [--check]

Writes generators/compare/accuracies.json, which the package carries: by model and format the mean
cosine of embeddings that is lost (MiniLM), and the mean log likelihood of a text's tokens that is
lost, in nats (SmolLM2). ``--check`` changes nothing and has exit status 1 when the file is not what
the record says.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from packaged import write_or_check

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


if __name__ == "__main__":
    sys.exit(write_or_check(__doc__, TARGET, accuracies, "accuracies.py"))
