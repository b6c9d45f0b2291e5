"""``gen list``: the generators."""

from __future__ import annotations

import argparse
import json

from ..registry import GENERATORS

SUMMARY = "list the generators"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    if args.json:
        print(json.dumps({g.name: g.summary for g in GENERATORS.values()}, indent=2))
    else:
        for g in GENERATORS.values():
            print(f"{g.name:<16}{g.summary}")
    return 0
