"""The package as others get it: dependency rule, package list, wheel, no traces of a machine."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
#: from the bottom up: each may import itself and what stands before it
LAYERS = ("golden", "hdl", "generators", "tb")
#: the package under its import name: links to the layers, and files of its own
SOURCE = ROOT / "src" / "lowbit"
OWN_FILES = ("__init__.py", "py.typed")
#: what a wheel leaves out: users get the benches
NOT_SHIPPED = (("tb", "support"), ("tb", "tests"), ("tb", "vectors"))


def source_files() -> list[Path]:
    """Files of the project, relative to its root: git's list, or all but hidden and built ones."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT,
                                check=True, capture_output=True, text=True).stdout.split("\0")
        files = [Path(name) for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        files = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
        files = [path for path in files
                 if not any(re.match(r"\.(?!ci)|build$|dist$|__pycache__|.*\.egg-info", part)
                            for part in path.parts)]
    return sorted(path for path in files if (ROOT / path).is_file())


FILES = source_files()
PACKAGE_FILES = [path for path in FILES if path.parts[0] in LAYERS and len(path.parts) > 1]


def imports(source: str, package: str) -> set[str]:
    """Absolute names of the modules that Python source in ``package`` imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[:len(package.split(".")) - node.level + 1]
            base = ".".join((up if node.level else []) + ([node.module] if node.module else []))
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def broken_rules(path: Path, source: str) -> list[str]:
    """Imports in ``source``, the text of the file ``path``, that the dependency rule forbids."""
    layer = path.parts[0]
    allowed = LAYERS[:LAYERS.index(layer) + 1]
    broken = []
    for name in imports(source, ".".join(["lowbit", *path.parts[:-1]])):
        parts = name.split(".")
        if parts[0] in LAYERS:
            broken.append(f"{path}: {name} must be imported as lowbit.{name}")
        elif parts[0] == "lowbit" and parts[1:2] and parts[1] not in allowed:
            broken.append(f"{path}: {layer} must not import {name}")
        elif layer == "golden" and parts[0] not in {*sys.stdlib_module_names, "numpy", "lowbit"}:
            broken.append(f"{path}: golden is NumPy only, but imports {name}")
    return broken


def test_dependencies_run_one_way():
    modules = [path for path in PACKAGE_FILES if path.suffix == ".py"]
    assert {path.parts[0] for path in modules} == set(LAYERS)
    broken = [line for path in modules
              for line in broken_rules(path, (ROOT / path).read_text(encoding="utf-8"))]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(("path", "source"), [
    ("golden/lut/model.py", "import amaranth.lib.data"),
    ("golden/lut/model.py", "def f():\n    from ...hdl import common"),
    ("golden/model.py", "from lowbit import hdl"),
    ("hdl/lut/core.py", "from lowbit.generators.registry import find"),
    ("hdl/lut/core.py", "from ...tb import benches"),
    ("generators/verbs/verify.py", "import lowbit.tb.benches.lut.core"),
    ("generators/verbs/verify.py", "from golden import formats"),
])
def test_dependency_rule_sees(path, source):
    assert len(broken_rules(Path(path), source)) == 1


@pytest.mark.parametrize(("path", "source"), [
    ("golden/lut/model.py", "from ..formats import FP16\nimport numpy as np\nimport math"),
    ("hdl/lut/core.py", "from amaranth import Module\nfrom lowbit.golden import formats"),
    ("tb/support/core.py", "from lowbit.generators import registry\nfrom . import toys"),
])
def test_dependency_rule_allows(path, source):
    assert not broken_rules(Path(path), source)


def test_package_folders():
    """Every folder is a package, and src/lowbit leads to the layers and to nothing else."""
    for folder in {path.parent for path in PACKAGE_FILES if path.suffix == ".py"}:
        assert folder / "__init__.py" in FILES, f"{folder} has no __init__.py"
    links = {path.name: path.resolve() for path in SOURCE.iterdir() if path.is_symlink()}
    assert links == {name: ROOT / name for name in LAYERS}
    assert {path.name for path in SOURCE.iterdir()} - {*links, "__pycache__"} == set(OWN_FILES)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from a copy of the sources: setuptools leaves its traces beside them."""
    copy = tmp_path_factory.mktemp("source")
    for path in FILES:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, copy / path)
    for name in LAYERS:
        (copy / "src" / "lowbit" / name).symlink_to(f"../../{name}")
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "pip", "-q", "wheel", "--no-deps", "--no-index",
                    "--no-build-isolation", "-w", out, copy], check=True)
    built, = out.glob("*.whl")
    return built


def test_wheel_holds_every_file_of_the_packages(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    content = {name for name in names if ".dist-info/" not in name}
    shipped = [path for path in PACKAGE_FILES if path.parts[:2] not in NOT_SHIPPED]
    assert content == {f"lowbit/{name}" for name in
                       (*OWN_FILES, *(path.as_posix() for path in shipped))}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_installed_wheel_gives_gen(wheel, tmp_path):
    # The dependencies come from the running environment through a .pth file: they stand after
    # the new site-packages, and .pth files of theirs (an editable lowbit) are not followed.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    scheme = {"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    site = Path(sysconfig.get_path("purelib", "venv", scheme))
    before = {path.name for path in site.iterdir()}
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "-q", "install", "--no-deps",
                    "--no-index", wheel], check=True)
    version = PROJECT["project"]["version"]
    added = {path.name for path in site.iterdir()} - before
    assert added == {"lowbit", f"lowbit-{version}.dist-info"}
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")

    def run(*command: object) -> str:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        return subprocess.run([*map(str, command)], check=True, capture_output=True, text=True,
                              cwd=tmp_path, env=environment).stdout

    where = run(python, "-c", "import lowbit.generators.cli as m; print(m.__file__)")
    assert Path(where.strip()).is_relative_to(site)
    assert run(python.parent / "gen", "--version") == f"gen {version}\n"
    listing = run(python.parent / "gen", "list")
    assert [line.split()[0] for line in listing.splitlines()][:2] == ["lut_table", "lut_dot"]


# Written so that the patterns do not match themselves.
TRACES = re.compile(r"(?<![\w.~$}*-])/(?:home|root|Users|work)/\w"        # machine paths
                    r"|py[p]i\.org|python[h]osted|test\.py[p]i"           # registry hosts
                    r"|^-(?:-index-url|-extra-index-url|-find-links|-trusted-host|i|f)\b")


def test_no_traces_of_a_machine():
    found = []
    for path in FILES:
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue            # a picture
        found += [f"{path}:{number}: {line.strip()}"
                  for number, line in enumerate(text.splitlines(), 1) if TRACES.search(line)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("line", [
    "see /ro" "ot/x", "'/ho" "me/me/pdk'", "https://py" "pi.org/simple", "--index-" "url mirror"])
def test_traces_are_seen(line):
    assert TRACES.search(line)


def test_lock_covers_the_project():
    """Every requirement of pyproject.toml, and the build backend, is pinned with hashes."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.findall(r"^([a-z0-9.-]+)==\S+(?: ;[^\\]*)? \\\n((?:    --hash=\S+(?: \\)?\n)*)",
                         lock, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^\w", lock, re.MULTILINE))
    assert all(hashes for _, hashes in entries)
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"],
              *PROJECT["build-system"]["requires"]]
    missing = {re.split(r"[^\w.-]", line)[0] for line in wanted} - {name for name, _ in entries}
    assert not missing, f"run scripts/lock; not in requirements.lock: {missing}"
