#!/usr/bin/env python3
"""Run the commands that README.md shows and compare what they print with what the page says.

    .venv/bin/python scripts/docs/examples.py [--write] [FILE.md ...]

Every fenced block of kind ``console`` counts: a line ``$ command``, then its output. The commands
of one page run in order in one temporary folder. ``--write`` puts the real output in the page;
without it the exit status is 1 when a page is wrong. Seconds, what is done in a second and the
longest path depend on the machine and its tools; they are not compared.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: what may differ from run to run
VARIES = ((re.compile(r"built in [\d.]+ s|build cached"), "built"),
          (re.compile(r"[\d.]+ s\b"), "# s"),
          (re.compile(r"\d+ cycles/s"), "# cycles/s"),
          (re.compile(r"[\d.]+ tokens/s"), "# tokens/s"),
          (re.compile(r"^longest path .*$", re.MULTILINE), "longest path"))


def examples(page: str) -> list[tuple[str, str]]:
    """(command, output) pairs of a page, in order."""
    found = []
    for block in BLOCK.finditer(page):
        for part in re.split(r"^\$ ", block[1], flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def stable(output: str) -> str:
    """Output without what may differ from run to run."""
    for pattern, text in VARIES:
        output = pattern.sub(text, output)
    return output


def run(command: str, folder: Path) -> str:
    """What a command prints, both streams; blank lines at the end are dropped."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    done = subprocess.run(["sh", "-c", command], cwd=folder, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, check=False,
                          env={**os.environ, "PATH": path, "COLUMNS": "80"})
    text = done.stdout.rstrip("\n")
    return text + "\n" if text else ""


def refreshed(page: str) -> tuple[str, list[str]]:
    """The page with real outputs, and the commands whose output is another one."""
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        def replace(block: re.Match[str]) -> str:
            text = ""
            for command, shown in examples(block[0]):
                output = run(command, Path(folder))
                if stable(output) != stable(shown):
                    wrong.append(command)
                text += f"$ {command}\n{output}"
            return f"```console\n{text}```"

        return BLOCK.sub(replace, page), wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("pages", nargs="*", type=Path, default=[ROOT / "README.md"])
    parser.add_argument("--write", action="store_true", help="put the real outputs in the pages")
    args = parser.parse_args()
    status = 0
    for page in args.pages:
        text, wrong = refreshed(page.read_text(encoding="utf-8"))
        if args.write:
            page.write_text(text, encoding="utf-8")
        for command in wrong:
            print(f"{page.name}: {'new' if args.write else 'other'} output: {command}")
        status |= bool(wrong) and not args.write
    return status


if __name__ == "__main__":
    sys.exit(main())
