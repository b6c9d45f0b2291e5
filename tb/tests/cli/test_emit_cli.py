"""The command line of emission and verification: files, refusals, one-line errors."""

import json

import pytest

from lowbit.generators.cli import main
from lowbit.generators.errors import UsageError
from lowbit.generators.files import MARK, write_whole
from lowbit.generators.verbs import emit as verb
from lowbit.generators.verilog.emit import forget

COMMAND = ["lut_dot", "--K", "2", "--a-format", "int8"]


def test_writes_both(tmp_path, capsys):
    out = tmp_path / "dot.v"
    assert main([*COMMAND, "-o", str(out), "--top", "my_dot", "--prefix", "x_"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1 and "my_dot" in printed.err
    manifest = json.loads((tmp_path / "dot.json").read_text())
    assert manifest["top"] == "my_dot" and manifest["generator"] == "lut_dot"
    assert manifest["parameters"]["K"] == 2
    assert all(name.startswith("x_") for name in manifest["modules"] if name != "my_dot")
    text = out.read_text()
    assert "Command: gen lut_dot --K 2 --a-format int8 --top my_dot --prefix x_\n" in text
    assert str(tmp_path) not in text + json.dumps(manifest)
    # the named command gives the same bytes, over the files that gen wrote itself
    forget()
    assert main([*COMMAND, "--top", "my_dot", "--prefix", "x_", "-o", str(out)]) == 0
    assert out.read_text() == text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dot.json", "dot.v"]


def test_standard_output(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*COMMAND, "-o", "-"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"// {MARK}") and printed.err == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("foreign", ["dot.v", "dot.json"])
def test_foreign_file_needs_force(tmp_path, capsys, foreign):
    (tmp_path / foreign).write_text("mine")
    assert main([*COMMAND, "-o", str(tmp_path / "dot.v")]) == 2
    assert "--force" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [foreign]
    assert main([*COMMAND, "-o", str(tmp_path / "dot.v"), "--force"]) == 0
    assert MARK in (tmp_path / foreign).read_text()


@pytest.mark.parametrize("before", [None, f"{MARK} earlier"])
def test_neither_file_when_the_second_fails(tmp_path, capsys, monkeypatch, before):
    if before:
        (tmp_path / "dot.json").write_text(before)
    def failing(path, call):
        if path.suffix == ".v":
            raise UsageError("cannot write it: disk full")
        write_whole(path, call)

    monkeypatch.setattr(verb, "write_whole", failing)
    assert main([*COMMAND, "-o", str(tmp_path / "dot.v")]) == 2
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == (
        {"dot.json": before} if before else {})
