"""``gen estimate MODEL|SHAPES``: what a whole model comes to on an accelerator, in seconds."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..compiler.cost import LATENCY
from ..compiler.target import read_target
from ..errors import UsageError
from ..estimate.report import estimate
from ..estimate.shapes import known, open_workload
from ..estimate.text import text
from ..options import positive
from ..progress import Progress

SUMMARY = "estimate cycles and bytes of a whole model on an accelerator, against other engines"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help=f"shapes of the package ({', '.join(known())}), a .json file "
                        "of shapes, or a model's file as gen compile takes it")
    parser.add_argument("--target", type=Path, required=True, metavar="ACCEL.json",
                        help="manifest of an accelerator: its generator and parameters")
    parser.add_argument("--batch", type=positive, default=1, metavar="INT",
                        help="sequences at a time; default 1")
    parser.add_argument("--prompt", type=positive, default=1024, metavar="INT",
                        help="positions of the prompt, which are the context of a decode; default "
                        "1024")
    parser.add_argument("--bits", type=_bits, default=(2,), metavar="INT,INT",
                        help="bits of weights that have none in a file, the output head as well; "
                        "several make a report each; default 2")
    parser.add_argument("--group", type=positive, metavar="INT", help="inputs that share a scale; "
                        "default the first of 128, 64, 32 that every matrix takes (32 for a "
                        "model's file)")
    parser.add_argument("--latency", type=positive, default=LATENCY, metavar="CYCLES",
                        help=f"until the memory answers; default {LATENCY}")
    parser.add_argument("--json", action="store_true", help="print the reports as JSON, a list")


def _bits(words: str) -> tuple[int, ...]:
    found = tuple(dict.fromkeys(positive(word) for word in words.split(",")))
    if max(found) > 8:
        raise argparse.ArgumentTypeError(f"must be 1..8; got {max(found)}")
    return found


def run(args: argparse.Namespace) -> int:
    p = read_target(args.target)
    most = 1 << 20
    if args.batch * args.prompt > most:
        raise UsageError(f"--batch times --prompt must be at most {most}; got "
                         f"{args.batch * args.prompt}")
    with Progress("reading the model") as progress:
        works = [open_workload(args.model, bits, args.group) for bits in args.bits]
        progress("running the cycle model")
        found = [estimate(p, work, batch=args.batch, prompt=args.prompt, latency=args.latency)
                 for work in works]
    print(json.dumps(found, indent=2) if args.json else "\n\n".join(map(text, found)))
    return 0
