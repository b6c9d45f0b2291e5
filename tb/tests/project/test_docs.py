"""README.md and docs/: links, commands and their output, generated tables and pictures."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

from lowbit.generators import cli, registry
from lowbit.generators.verilog.emit import emit
from lowbit.generators.wrapping import Wrap
from lowbit.golden.bitmod.array_parameters import BitmodArrayParameters
from lowbit.golden.bitmod.tile_parameters import BitmodTileParameters
from lowbit.golden.lut.parameters import (
    LutCoreParameters,
    LutDotParameters,
    LutTableParameters,
)

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
#: files of the example of docs/adding_a_family.md
EXAMPLE_FAMILY = ROOT / "docs" / "example_family"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
#: examples that build a simulator, synthesise or need a model: scripts/docs/examples.py runs them
SLOW = re.compile(r"^gen (verify|area|bitmod_array|llm)|^ln |--backend rtl|y_rtl")


def script(name: str) -> ModuleType:
    """A script as a module (scripts/ is no package)."""
    path = ROOT / "scripts" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"scripts_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # its neighbours, which it imports by name, are found as when it is run
    sys.path.insert(0, str(path.parent))
    sys.modules[spec.name] = module         # where a dataclass looks for its module
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


EXAMPLES = script("docs/examples")


def anchors(page: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    names = re.findall(r"^#+ +(.*)$", re.sub(r"```.*?```", "", page, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-") for name in names}


def broken_links(page: Path, text: str) -> list[str]:
    """Links to files or headings that are not there (links to the web are not followed)."""
    broken = []
    for link in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / unquote(name)) if name else page
        if target.exists():
            there = anchors(text if target == page else target.read_text(encoding="utf-8"))
        if not target.exists() or (anchor and anchor not in there):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    assert not broken_links(page, page.read_text(encoding="utf-8"))


def test_a_broken_link_is_found() -> None:
    text = "# A title\n[a](no_such_file.md) [b](#a-title) [c](#no-title) [d](README.md)"
    assert broken_links(ROOT / "README.md", text) == ["no_such_file.md", "#no-title"]


def test_files_that_pages_name_exist() -> None:
    """Paths in backticks, and the sections of docs/numerics.md that the code refers to."""
    for page in PAGES:
        for name in re.findall(r"`((?:golden|hdl|generators|tb|scripts|docs)/[\w./*]+)`",
                               page.read_text(encoding="utf-8")):
            assert list(ROOT.glob(name)) or list(EXAMPLE_FAMILY.glob(name)), \
                f"{page.name} names {name}"
    headings = re.findall(r"^## (\d)", (ROOT / "docs/numerics.md").read_text(), re.MULTILINE)
    for folder in ("golden", "hdl", "generators"):
        for path in (ROOT / folder).rglob("*.py"):
            for number in re.findall(r"docs/numerics\.md,? section (\d)", path.read_text()):
                assert number in headings, path


def test_quick_examples_print_what_the_page_says(tmp_path: Path) -> None:
    """Every command of README.md in order, but for those that take long."""
    pairs = EXAMPLES.examples((ROOT / "README.md").read_text(encoding="utf-8"))
    quick = [(command, shown) for command, shown in pairs if not SLOW.search(command)]
    assert len(quick) >= 8 and len(quick) < len(pairs)
    for command, shown in quick:
        assert EXAMPLES.stable(EXAMPLES.run(command, tmp_path)) == EXAMPLES.stable(shown), command


def test_slow_examples_parse(monkeypatch: pytest.MonkeyPatch,
                             capsys: pytest.CaptureFixture[str]) -> None:
    """Their options exist: the command with --help instead of the work, option by option."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [command for command, _ in EXAMPLES.examples(text) if command.startswith("gen ")]
    commands += [line.split("#")[0].removeprefix("scripts/").strip() for line in
                 re.findall(r"^scripts/gen .*$", text, re.MULTILINE)]
    for command in commands:
        words = shlex.split(re.split(r"[|]|&&", command)[0].replace("out.json", "lut_core"))[1:]
        if words[0] == "list":
            continue
        head = words[:2] if words[0] in ("verify", "area", "ppa", "run") else words[:1]
        with pytest.raises(SystemExit) as stop:
            cli.main([*head, "--help"])
        assert stop.value.code == 0
        known = set(re.findall(r"(?<![\w-])--?\w[\w-]*", capsys.readouterr().out))
        given = {word for word in words if re.fullmatch(r"--?[A-Za-z][\w-]*", word)}
        assert given <= known, command


def test_every_verb_has_an_example() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = [command for command, _ in EXAMPLES.examples(text)]
    for fence in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):      # not run: they take long
        shown += fence.splitlines()
    used = {command.split()[1] for command in shown if command.startswith("gen ")}
    assert set(cli.VERBS) | {"lut_core"} <= used


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_a_wrong_example_is_found() -> None:
    page = "```console\n$ echo one\none\n$ echo two, built in 3.1 s\ntwo, built in 9.9 s\n```\n"
    assert EXAMPLES.refreshed(page)[1] == []
    fixed, wrong = EXAMPLES.refreshed(page.replace("one\none", "one\n1"))
    assert wrong == ["echo one"] and "$ echo one\none\n" in fixed


@pytest.mark.parametrize("name", ["figures", "draw"])
def test_tables_and_pictures_are_up_to_date(name: str) -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts" / "docs" / f"{name}.py", "--check"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_changed_table_is_found() -> None:
    figures = script("docs/figures")
    page = (ROOT / "docs" / "lut.md").read_text(encoding="utf-8")
    assert figures.filled(page) == page
    row = "| `weight_last` | in | 1 |"
    changed = page.replace(row, row.replace("1 |", "2 |"))
    assert changed != page and figures.filled(changed) == page


def test_every_manifest_key_is_described() -> None:
    """docs/lut.md names every key of the manifests, and no other."""
    section = (ROOT / "docs/lut.md").read_text(encoding="utf-8").partition("## Manifest")[2]
    named = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", section,
                                                         re.MULTILINE))))
    designs = (emit(LutCoreParameters(N=2)), emit(LutTableParameters(), wrap=Wrap("axis")),
               emit(LutDotParameters()))
    assert named == {key for design in designs for key in design.manifest}


def test_bitmod_page_names_streams_and_modules() -> None:
    """docs/bitmod.md: the fields of all streams, modules that exist, every generator."""
    text = (ROOT / "docs/bitmod.md").read_text(encoding="utf-8")
    ports = {port["name"] for exponent in ("given", "scan")
             for port in emit(BitmodArrayParameters(exponent=exponent)).manifest["ports"]}
    section = text.partition("## Streams")[2].partition("\n## ")[0]
    named, stream = set(), ""
    for line in re.findall(r"^\| (`.*|\| `.*) \|$", section, re.MULTILINE):
        cells = line.split("|")
        stream = "".join(re.findall(r"`(\w+)`", cells[0])) or stream
        named |= {f"{stream}_{field}" for field in re.findall(r"`(\w+)`", cells[1])}
    control = {name for name in ports if re.search(r"^(clk|rst)$|_(valid|ready)$", name)}
    special = {name for name in ports if name.startswith("sv_")}
    assert named == ports - control - special
    assert all(f"`{name}`" in text for name in special)
    structure = text.partition("## Tile and array")[2].partition("\n## ")[0]
    modules = set(re.findall(r"`(bitmod_\w+)`", structure))
    assert len(modules) > 8 and modules <= set(emit(BitmodTileParameters()).manifest["modules"])
    for name in registry.GENERATORS:
        assert f"`{name}`" in text or not name.startswith("bitmod")


def test_parts_of_the_bitmod_tile_are_told_apart() -> None:
    """scripts/studies/bench_bitmod.py: each part of the tile has modules, and none counts twice."""
    measure, bench = script("studies/measure"), script("studies/bench_bitmod")
    emitted = emit(BitmodTileParameters(rows=2, columns=4))
    inside = measure.children(emitted.verilog)
    ones = dict.fromkeys(inside, 1.0)
    assert set(inside) == set(emitted.manifest["modules"])
    counted = measure.grouped(ones, inside, emitted.top, bench.PARTS)
    assert sum(counted.values()) == sum(emitted.manifest["modules"].values())
    assert all(counted[group] for group in bench.PARTS.values())
    assert counted["capture"] == 8 and counted["pe"] >= 8 and counted["pe"] % 8 == 0


def test_recorded_results_are_json_of_known_scripts() -> None:
    """docs/results holds nothing that no script rewrites."""
    results = script("docs/figures").RESULTS
    for path in (ROOT / "docs" / "results").iterdir():
        assert path.name in results
        json.loads(path.read_text(encoding="utf-8"))
    for command in results.values():
        found = re.search(r"scripts/\w+/\w+\.py", command)
        assert found and (ROOT / found[0]).exists()


def test_no_page_names_a_machine() -> None:
    for page in PAGES:
        assert not re.search(r"/(work|home|root|tmp|opt|usr)\b", page.read_text(encoding="utf-8"))
