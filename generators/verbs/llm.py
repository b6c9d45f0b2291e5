"""``gen llm MODEL.gguf --prompt TEXT``: a language model generates text on a backend."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..llm.chat import encode_prompt, form
from ..llm.config import LlamaConfig
from ..llm.generate import Generation, Sampling, check_length, generate
from ..llm.linears import BACKENDS, open_linears
from ..llm.llama import Llama
from ..llm.tokenizer import Decoder, Tokenizer
from ..options import integer, positive
from ..progress import Progress
from ..weights.checkpoint import kind_of
from ..weights.gguf_file import GgufFile

SUMMARY = "generate text with a language model, its linear layers on a backend"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help=".gguf file of a Llama-architecture model")
    parser.add_argument("--prompt", metavar="TEXT", required=True,
                        help="what the user says; an instruct model gets it in its chat form")
    parser.add_argument("--raw", action="store_true", help="the prompt as it is, without the chat "
                        "form; control tokens may be named in it")
    parser.add_argument("--tokens", type=positive, default=64, metavar="INT",
                        help="tokens to generate, at most; default 64")
    parser.add_argument("--backend", choices=tuple(BACKENDS), metavar="|".join(BACKENDS),
                        default="float32", help="what multiplies: dequantised weights in NumPy "
                        "(default), the accelerator's golden simulator, NumPy and the cycle model, "
                        "or the simulated RTL")
    parser.add_argument("--target", type=Path, metavar="FILE", help="manifest of gen accel; "
                        "default the accelerator with --w-bits 8")
    parser.add_argument("--temperature", type=_number, default=0.0, metavar="NUMBER",
                        help="0 takes the likeliest token, larger ones vary more; default 0")
    parser.add_argument("--top-k", type=integer, default=40, metavar="INT",
                        help="with a temperature: among so many of the likeliest tokens, 0 for "
                        "all; default 40")
    parser.add_argument("--seed", type=integer, default=0, metavar="INT",
                        help="of the choice with a temperature, 0 or more; default 0")
    parser.add_argument("--json", action="store_true",
                        help="print text, tokens and figures as JSON at the end")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number; got {text}") from None


def run(args: argparse.Namespace) -> int:
    sampling = Sampling(args.temperature, args.top_k, args.seed)
    sampling.chooser()                      # refuses what it cannot take, before the work
    if (kind := kind_of(args.model)) != "gguf":
        raise UsageError(f"{args.model} is no GGUF file ({kind}?); gen llm runs GGUF models")
    with contextlib.ExitStack() as shown:
        progress = shown.enter_context(Progress("reading the model"))
        file = GgufFile(args.model)
        config, tokenizer = LlamaConfig.of(file), Tokenizer(file)
        if len(tokenizer.tokens) != config.vocabulary:
            raise UsageError(f"{args.model} has {len(tokenizer.tokens)} tokens and an embedding of "
                             f"{config.vocabulary}")
        prompt = encode_prompt(file, tokenizer, args.prompt, raw=args.raw)
        check_length(config.context, len(prompt))
        model = Llama(file, config, open_linears(
            args.backend, file, config.calls(), args.target))
        text, decoder = [], Decoder(tokenizer)

        def write(piece: str) -> None:
            if piece and not args.json:
                if sys.stdout.isatty():
                    shown.close()           # text takes the line of the progress
                sys.stdout.write(piece)
                sys.stdout.flush()
            text.append(piece)

        def token(number: int) -> None:
            write(decoder.push(number))
            progress(f"token {len(text) + 1}")

        progress(f"prompt of {len(prompt)} tokens")
        done = generate(model, prompt, args.tokens, ends=tokenizer.ends, sampling=sampling,
                        token=token, progress=progress.share)
        write(decoder.finish())
    used = "raw" if args.raw else form(file, tokenizer)
    report = {"model": str(args.model), "backend": args.backend, "form": used,
              "text": "".join(text), **done.as_dict(), "figures": model.linears.report()}
    print(json.dumps(report, indent=2) if args.json else _text(report, done))
    return 0


def _text(report: dict[str, Any], done: Generation) -> str:
    ends = {"end": "ended by the model", "limit": "cut at --tokens",
            "context": "cut at the end of the model's context"}
    rate = "" if done.rate is None else f", {done.rate:.2f} tokens/s"
    figures = [f"  {name.replace('_', ' ')} {value:,}" if isinstance(value, int) else
               f"  {name.replace('_', ' ')} {value}" for name, value in report["figures"].items()]
    return "\n".join((
        "", f"  {done.prompt_tokens} tokens of prompt ({report['form']}) in "
        f"{done.prefill_seconds:.1f} s, {len(done.tokens)} generated in "
        f"{done.decode_seconds:.1f} s{rate}; {ends[done.stopped]}",
        f"  backend {report['backend']}", *figures))
