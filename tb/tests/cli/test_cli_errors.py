"""What a user can do wrong with ``gen``: one line on standard error, status 2, no file.

Errors of weight files and packed files are tested with their verbs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lowbit.generators.cli import VERBS, main

CASES = [
    # the first words
    ("nothing", "unknown generator or verb 'nothing' (gen --help shows all)"),
    ("lut_cor -o a.v", "did you mean lut_core"), ("verfy lut_core", "did you mean verify"),
    ("--bogus", "unknown generator or verb '--bogus'"), ("''", "unknown generator or verb ''"),
    ("list extra", "unrecognized arguments: extra"), ("verify", "needs a generator"),
    ("verify --N 4 lut_dot", "needs a generator as its first word"),
    ("verify lut_cor", "unknown generator 'lut_cor'; did you mean lut_core"),
    ("area nothing", "unknown generator 'nothing' (gen list shows all)"),
    # values
    ("lut_core", "required: -o"), ("lut_core -o", "-o expected one argument"),
    ("lut_core -o a.v --K", "--K expected one argument"),
    ("lut_core -o a.v --K x", "gen: --K must be an integer; got x"),
    ("lut_core -o a.v --K 4.5", "gen: --K must be an integer; got 4.5"),
    ("lut_core -o a.v --w-bits 9", "gen: --w-bits must be 1..8; got 9"),
    ("lut_core -o a.v --M 99999999999999999999", "--M must be 1..64; got 9999999999999999999"),
    ("lut_core -o a.v --k 4", "unrecognized arguments: --k 4"),
    ("lut_core -o a.v --a-format fp64", "--a-format must be one of"),
    ("lut_core -o a.v --zero-point=yes", "--zero-point"),
    ("lut_core -o a.v extra", "unrecognized arguments: extra"),
    ("verify lut_dot --vectors 0", "gen: --vectors must be at least 1; got 0"),
    ("verify lut_dot --seed -1", "--seed must be 0 or more; got -1"),
    ("verify lut_dot --seed x", "gen: --seed must be an integer; got x"),
    ("verify lut_dot --sim foo", "--sim invalid choice: 'foo'"),
    ("area lut_dot --recipe foo", "--recipe must be one of plain"),
    ("area lut_dot --clock 0", "gen: --clock must be a time in ns, more than 0"),
    ("area lut_dot --clock nan", "gen: --clock must be a time"),
    ("area lut_dot --clock 1e9", "below 1e6; got 1e9"),
    ("area lut_dot --liberty", "--liberty expected at least one argument"),
    ("quantize w.npy --dtype fp4 --group-size x -o q", "--group-size must be an integer; got x"),
    # options that contradict each other
    ("lut_core -o a.v --datapath float --acc-width 24", "--acc-width belongs to integer"),
    ("lut_core -o a.v --a-format int8 --datapath float", "--datapath needs floating activations"),
    ("lut_core -o a.v --table-format int8 --table-source internal", "--table-source external"),
    ("lut_core -o a.v --table full --negation hardware", "--negation hardware needs --table half"),
    ("pack w.npy -o p --table full --negation hardware", "--negation hardware needs --table half"),
    ("area lut_dot --pdk sky130hd --liberty text", "exclude each other"),
    # names
    ("lut_core -o a.v --top 9a", "--top must be a Verilog identifier"),
    ("lut_core -o a.v --top module", "keyword; got 'module'"),
    ("lut_core -o a.v --prefix 'a b'", "--prefix must be a Verilog identifier"),
    # files
    ("lut_core -o folder", "-o must name a file; folder is a directory"),
    ("lut_core -o ''", "-o must name a file"), ("lut_core -o /", "-o must name a file"),
    ("lut_core -o none/a.v", "none does not exist"),
    ("lut_core -o text/a.v", "text does not exist"),
    ("lut_core -o a.json", "-o must not end in .json"),
    ("lut_core -o text", "-o text exists and was not written by gen; add --force"),
    ("lut_core -o /dev/null --force", "/dev/null is a device"),
    ("quantize w.npy --dtype fp4 -o /dev/full --force", "/dev/full is a device"),
    ("lut_core -o /proc/a.v", "cannot write /proc/a.json"),
    ("verify lut_dot --waves a.fst", "--waves must end in .vcd"),
    ("verify lut_dot --waves none/a.vcd", "--waves must lie in an existing directory"),
    ("verify lut_dot --build-dir text", "set --build-dir to a writable folder"),
    ("verify lut_dot --build-dir text/a", "set --build-dir to a writable folder"),
    ("area lut_dot --liberty none.lib", "none.lib does not exist"),
    ("area lut_dot --liberty text", "text is not a liberty file"),
    ("area lut_dot --liberty folder", "folder is a directory"),
    # devices and pipes: reading them may never end
    ("pack /dev/null -o p", "/dev/null is a device or a pipe"),
    ("quantize /dev/null --dtype fp4 -o p", "/dev/null is a device or a pipe"),
    ("run fp16_tile --a /dev/null --w w.npy -o y", "--a /dev/null is a device or a pipe"),
    ("run lut_core --a w.npy --w /dev/null -o y", "--w /dev/null is a device or a pipe"),
    ("run bitmod_tile --a w.npy --w /dev/null -o y", "--w /dev/null is a device or a pipe"),
    ("area lut_dot --liberty /dev/zero", "--liberty /dev/zero is a device or a pipe"),
    # names
    (f"pack w.npy -o {'long' * 70}", "long: File name too long"),
    ("pack 'no\nfile' -o p", "cannot read no\\nfile: No such file"),
    ("'lut\x1b[1m' -o p", "generator or verb 'lut\\x1b[1m'"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("mine\n")
    np.save(tmp_path / "w.npy", np.ones((2, 8), np.float32))
    np.save(tmp_path / "a.npy", np.ones((2, 8), np.float16))
    return tmp_path


@pytest.mark.parametrize(("line", "words"), CASES, ids=[line for line, _ in CASES])
def test_one_line(folder: Path, capsys: pytest.CaptureFixture[str], line: str,
                  words: str) -> None:
    assert main(shlex.split(line)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("gen: ") and err.count("\n") == 1, err
    assert words in err, err
    assert sorted(p.name for p in folder.iterdir()) == ["a.npy", "folder", "text", "w.npy"]
    assert (folder / "text").read_text() == "mine\n"


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    """Every verb that is listed is there."""
    with contextlib.suppress(SystemExit):       # argparse ends the program by itself
        assert main([verb, "--help"] if verb else ["--help"]) == 0
    assert "usage: gen" in capsys.readouterr().out


def test_symbolic_link_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "link.v").symlink_to(folder / "folder" / "real.v")
    assert main(["lut_dot", "--a-format", "int8", "-o", "link.v"]) == 0
    assert (folder / "link.v").is_symlink()
    assert "module lut_dot" in (folder / "folder" / "real.v").read_text()


def run_gen(line: str, **settings: str) -> subprocess.CompletedProcess[str]:
    code = "from lowbit.generators.cli import main; raise SystemExit(main())"
    return subprocess.run([sys.executable, "-c", code, *shlex.split(line)], text=True,
                          capture_output=True, check=False, env=os.environ | settings)


@pytest.mark.parametrize(("line", "settings", "words"), [
    ("verify lut_dot", {"PATH": "/nowhere"}, "needs c++, make, perl, not found; install with"),
    ("verify lut_dot --sim icarus", {"PATH": "/nowhere"}, "install with: sudo apt-get install iv"),
    ("lut_dot -o -", {"XDG_CACHE_HOME": "/proc/none"}, "set XDG_CACHE_HOME to a writable folder"),
    ("area lut_dot --pdk sky130hd", {"PDK_ROOT": "/nowhere"}, "/nowhere"),
    # a port of the design, and one found in its midst: no remark of Amaranth's on what is left
    ("bitmod_array -o a.v --tile-rows 64 --rows 64", {}, "port activation_values would have 2621"),
    ("lut_core -o a.v --a-format int8 --M 64 --K 6 --groups 2 --w-bits 8", {},
     "port entries would have 69632 bits")])
def test_environment(line: str, settings: dict[str, str], words: str, tmp_path: Path,
                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)     # a design that is not refused is written there
    done = run_gen(line, **settings)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("gen: ") and done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_ended_while_writing(folder: Path, name: str) -> None:
    """Nothing half-written stays, and what stood there before does."""
    code = ("import os, signal, time; from pathlib import Path; "
            "from lowbit.generators.files import write_whole\n"
            # nohup, if it started the tests, has this signal ignored
            f"signal.signal(signal.{name}, signal.SIG_DFL)\n"
            "def write(path):\n"
            "    path.write_text('half')\n"
            f"    os.kill(os.getpid(), signal.{name})\n"
            "    time.sleep(60)\n"
            "write_whole(Path('text'), write)")
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -getattr(signal, name)
    assert sorted(p.name for p in folder.iterdir()) == ["a.npy", "folder", "text", "w.npy"]
    assert (folder / "text").read_text() == "mine\n"


def test_more_than_the_memory(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two files of 2 MB whose product has 10^12 elements."""
    np.save(folder / "a.npy", np.ones((1_000_000, 1), np.float16))
    np.save(folder / "q.npy", np.ones((1_000_000, 1), np.uint8))
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 42, hard))
    try:
        assert main(shlex.split("run lut_core --a a.npy --w q.npy --dtype lut4 -o y.npy")) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("gen: not enough memory: Unable to allocate")
    assert err.count("\n") == 1 and not (folder / "y.npy").exists()


def test_names_that_are_no_text(folder: Path) -> None:
    """A file's name need not be UTF-8, nor in the alphabet of the terminal."""
    name = os.fsdecode(b"w\xff.npy")
    os.rename(folder / "w.npy", folder / name)
    done = run_gen(f"pack {name} -o p.npz")
    assert done.returncode == 0 and done.stderr == "" and "w\\udcff.npy, 2 x 8" in done.stdout
    done = run_gen(f"quantize {name} --dtype fp4 -o \u540d.npz", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and done.stderr == "" and "\\u540d.npz: fp4" in done.stdout
    assert (folder / "\u540d.npz").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("line", ["list", "list --json", "lut_dot --a-format int8 -o -"])
def test_full_disk(line: str) -> None:
    code = "from lowbit.generators.cli import main; raise SystemExit(main())"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code, *line.split()], text=True, stdout=full,
                              stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr == f"gen: {os.strerror(errno.ENOSPC)}\n"


def test_reader_gone() -> None:
    code = ("import sys; from lowbit.generators.cli import main; sys.stdin.readline(); "
            "raise SystemExit(main())")
    process = subprocess.Popen([sys.executable, "-c", code, "list"], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    assert process.stdin and process.stdout and process.stderr
    process.stdout.close()
    process.stdin.write("\n")
    process.stdin.close()
    assert (process.wait(), process.stderr.read()) == (0, "")
    process.stderr.close()
