"""``gen compile MODEL``: a model's linear layers as programs of an accelerator."""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from lowbit.golden.accelerator.parameters import AccelParameters

from ..compiler.folder import check_folder, save
from ..compiler.importers import open_model
from ..compiler.passes import OPTIONAL, PASSES
from ..compiler.pipeline import compile_model, text_of
from ..compiler.report import report, text
from ..compiler.sources import Quantizer
from ..compiler.target import read_target
from ..errors import UsageError
from ..options import positive
from ..progress import Progress

SUMMARY = "compile a model's linear layers to an image and programs of an accelerator"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help=".gguf or .safetensors file (or .index.json of "
                        "shards) of the Llama architecture, .safetensors of BERT, or .onnx with "
                        "MatMulNBits")
    parser.add_argument("--target", type=Path, required=True, metavar="ACCEL.json",
                        help="manifest of an accelerator: its generator and parameters")
    parser.add_argument("-o", dest="output", metavar="FOLDER", required=True,
                        help="folder to write: weights.bin, program.bin, listing.txt, program.json")
    parser.add_argument("--rows", type=_rows, default=(1, 16), metavar="INT,INT",
                        help="row counts to compile programs for; a runtime makes others as it "
                        "needs them; default 1,16")
    parser.add_argument("--w-bits", type=_bits, metavar="INT", help="bits of weights that are "
                        "floats in the file, which are quantised (symmetric, odd levels)")
    parser.add_argument("--group", type=positive, default=32, metavar="INT",
                        help="inputs that share a scale of such weights; default 32")
    parser.add_argument("--skip", action="append", choices=OPTIONAL, default=[],
                        metavar="|".join(OPTIONAL),
                        help="leave a pass out, for comparison; results are the same")
    parser.add_argument("--print-after", choices=("import", *PASSES), action="append", default=[],
                        metavar="PASS", help="print the module after a pass: import, "
                        + ", ".join(PASSES))
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _rows(words: str) -> tuple[int, ...]:
    return tuple(positive(word) for word in words.split(","))


def _bits(word: str) -> int:
    value = positive(word)
    if value > 8:
        raise argparse.ArgumentTypeError(f"must be 1..8; got {value}")
    return value


def run(args: argparse.Namespace) -> int:
    if args.json and args.print_after:
        raise UsageError("--json and --print-after both print; leave one out")
    p: AccelParameters = read_target(args.target)
    output = Path(args.output)
    check_folder(output)
    started = time.perf_counter()

    def after(name: str, module: ModuleOp) -> None:
        if name in args.print_after:
            print(f"// after {name}\n{text_of(module)}", end="")

    with Progress("reading the model") as progress:
        model = open_model(args.model, Quantizer(args.w_bits, args.group))
        opened = time.perf_counter() - started
        done = compile_model(p, model, args.rows, skip=args.skip, after=after, progress=progress)
        progress("writing")
        begun = time.perf_counter()
        files = save(done.program, output)
        written = time.perf_counter() - begun
    unit = 1 if sys.platform == "darwin" else 1024
    found = report(done.program, files=files, counts=done.counts,
                   seconds={"open": opened} | done.seconds | {"write": written},
                   rss=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
    print(json.dumps(found, indent=2) if args.json else text(found))
    return 0
