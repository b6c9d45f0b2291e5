"""One Yosys session in a process of its own: ``python -m lowbit.generators.flow.worker FILE``.

FILE holds one Yosys command a line. A marker line before each command lets the caller say
which one failed; Yosys ends the process with status 1 at an error.
"""

from __future__ import annotations

import sys
from pathlib import Path

MARK = "@@ command "


def main() -> None:
    from pyosys import libyosys

    design = libyosys.Design()
    for number, command in enumerate(Path(sys.argv[1]).read_text().splitlines()):
        print(f"\n{MARK}{number}", flush=True)
        libyosys.run_pass(command, design)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
