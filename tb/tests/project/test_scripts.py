"""scripts/gen, scripts/test and .ci/run on machines that lack something, or are set up already.

A stand-in for Python records what is asked of it, so that nothing is downloaded: what is tested
is when the set-up installs, what it says and how it ends. The real installation is what runs
these tests when they are started by scripts/test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
#: commands of every Debian and Ubuntu system (coreutils, util-linux)
ESSENTIAL = ("cat", "chmod", "cp", "cut", "dirname", "flock", "ln", "mkdir", "mktemp", "mv",
             "readlink", "rm", "sha256sum", "sleep")

STAND_IN = r"""#!/bin/sh
case "$*" in
*version_info*print* | *print*version_info*) echo 3.12 ;;
*version_info*) [ ! -e "$FAKE/old" ] ;;
*ensurepip*) [ ! -e "$FAKE/no-venv" ] ;;
"-m venv "*) echo venv >>"$FAKE/log"; mkdir -p "$3/bin"; ln -s "$0" "$3/bin/python" ;;
"-m pip "*)
    case "$*" in
    *--require-hashes*) echo packages >>"$FAKE/log"; sleep 0.2; [ ! -e "$FAKE/fails" ] ;;
    *) for last; do :; done
       [ -f "$last/pyproject.toml" ] || exit 98
       echo project >>"$FAKE/log"
       printf '#!/bin/sh\necho "$PWD: $*"\n' >"${0%/*}/gen"
       chmod +x "${0%/*}/gen"
       cp "${0%/*}/gen" "${0%/*}/pytest"
       ln -sf /bin/true "${0%/*}/ruff" ;;
    esac ;;
"-m mypy"*) echo "mypy by $0" ;;
*) echo "unexpected: $*" >&2; exit 99 ;;
esac
"""


class Machine:
    """A clone of the scripts in a folder with a space, and a PATH with the essentials only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user: int | None = None        # who runs the commands; None: as the tests
        self.clone = folder / "a clone"
        self.bin = folder / "bin"
        self.bin.mkdir()
        shutil.copytree(ROOT / "scripts", self.clone / "scripts")
        shutil.copytree(ROOT / ".ci", self.clone / ".ci")
        for name in ("requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / name, self.clone)
        self.tool(*ESSENTIAL)

    def tool(self, *names: str) -> None:
        """Put commands of the real system on PATH."""
        for name in names:
            found = shutil.which(name)
            assert found is not None
            (self.bin / name).symlink_to(found)

    def fake(self, *names: str, text: str = "#!/bin/sh\n") -> None:
        """Put commands of our own on PATH."""
        for name in names:
            (self.bin / name).write_text(text, encoding="utf-8")
            (self.bin / name).chmod(0o755)

    def start(self, *command: object, **extra: str) -> subprocess.Popen[str]:
        environment = {"PATH": str(self.bin), "FAKE": str(self.folder), **extra}
        return subprocess.Popen([*map(str, command)], cwd=self.folder, env=environment, text=True,
                                user=self.user, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def run(self, *command: object, **extra: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error."""
        process = self.start(*command, **extra)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def gen(self, *words: str, **extra: str) -> tuple[int, str, str]:
        return self.run(self.clone / "scripts" / "gen", *words, **extra)

    def log(self) -> list[str]:
        """What was installed since the last call."""
        path = self.folder / "log"
        lines = path.read_text(encoding="utf-8").split() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def append(self, name: str) -> None:
        with (self.clone / name).open("a", encoding="utf-8") as file:
            file.write("# changed\n")


@pytest.fixture
def bare(tmp_path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def machine(bare) -> Machine:
    bare.fake("python3", text=STAND_IN)
    return bare


EVERYTHING = ["venv", "packages", "project"]


# -- what is missing ------------------------------------------------------------------------------
def test_no_python(bare):
    status, out, err = bare.gen("list")
    assert (status, out) == (2, "")
    assert "Python 3.11 or newer" in err
    assert "sudo apt-get install python3 python3-venv" in err


def test_old_python(machine):
    (machine.folder / "old").touch()
    status, out, err = machine.gen("list")
    assert (status, out) == (2, "")
    assert "python3 is older" in err
    assert "sudo apt-get install python3.11 python3.11-venv" in err


def test_newer_python_beside_an_old_one(bare):
    bare.fake("python3", text="#!/bin/sh\nexit 1\n")
    bare.fake("python3.12", text=STAND_IN)
    assert bare.gen("list")[0] == 0


def test_chosen_python_is_old(machine):
    machine.fake("old-python", text="#!/bin/sh\nexit 1\n")
    status, _, err = machine.gen("list", PYTHON="old-python")
    assert status == 2
    assert "PYTHON=old-python is not Python 3.11 or newer" in err


def test_no_venv_module(machine):
    (machine.folder / "no-venv").touch()
    status, out, err = machine.gen("list")
    assert (status, out) == (2, "")
    assert "sudo apt-get install python3.12-venv" in err
    assert not (machine.clone / ".venv").exists()


@pytest.mark.parametrize(("present", "packages"), [
    ((), "g++ make perl"), (("c++", "perl"), "make"), (("c++", "make"), "perl"),
    (("make", "perl"), "g++")])
@pytest.mark.parametrize("script", ["scripts/test", ".ci/run"])
def test_no_compiler(machine, script, present, packages):
    machine.fake(*present)
    status, out, err = machine.run(machine.clone / script)
    assert (status, out) == (2, "")
    assert err.endswith(f"sudo apt-get install {packages}\n")
    assert machine.log() == []


def test_gen_needs_no_compiler(machine):
    assert machine.gen("list")[0] == 0


# -- when it installs -----------------------------------------------------------------------------
def test_first_run_installs_and_second_is_quiet(machine):
    status, out, err = machine.gen("lut_core", "--M", "2", "-o", "a b.v")
    assert (status, out) == (0, f"{machine.folder}: lut_core --M 2 -o a b.v\n")
    assert len(err.splitlines()) == 1
    assert machine.log() == EVERYTHING
    assert machine.gen("list") == (0, f"{machine.folder}: list\n", "")
    assert machine.log() == []


def test_changed_lock_installs_again(machine):
    machine.gen("list")
    machine.log()
    machine.append("requirements.lock")
    left_over = machine.clone / ".venv" / "left-over"
    left_over.touch()
    assert machine.gen("list")[0] == 0
    assert machine.log() == EVERYTHING
    assert not left_over.exists()


def test_changed_project_is_refreshed(machine):
    machine.gen("list")
    machine.log()
    machine.append("pyproject.toml")
    status, _, err = machine.gen("list")
    assert (status, len(err.splitlines())) == (0, 1)
    assert machine.log() == ["project"]


def test_moved_clone_installs_again(machine):
    machine.gen("list")
    machine.log()
    machine.clone = machine.clone.rename(machine.folder / "moved")
    assert machine.gen("list")[0] == 0
    assert machine.log() == EVERYTHING


def test_failed_installation_is_done_again(machine):
    (machine.folder / "fails").touch()
    status, out, err = machine.gen("list")
    assert (status, out) == (2, "")
    assert "pip failed" in err
    (machine.folder / "fails").unlink()
    machine.log()
    assert machine.gen("list")[0] == 0
    assert machine.log() == EVERYTHING


def test_killed_installation_is_done_again(machine):
    process = machine.start(machine.clone / "scripts" / "setup")
    log, deadline = machine.folder / "log", time.monotonic() + 30
    while not log.exists() or "packages" not in log.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=60)
    assert machine.log() == ["venv", "packages"]
    assert machine.gen("list")[0] == 0
    assert machine.log() == EVERYTHING


def test_two_runs_at_once_install_once(machine):
    runs = [machine.start(machine.clone / "scripts" / "gen", "list") for _ in range(3)]
    outputs = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert outputs == [f"{machine.folder}: list\n"] * 3
    assert machine.log() == EVERYTHING


def test_through_a_symlink(machine):
    link = machine.folder / "my gen"
    link.symlink_to(machine.clone / "scripts" / "gen")
    assert machine.run(link, "list")[:2] == (0, f"{machine.folder}: list\n")


def test_read_only_clone():
    """Run as nobody where the tests run as root, who may write anywhere."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        machine = Machine(folder)
        machine.fake("python3", text=STAND_IN)
        machine.user = 65534 if os.geteuid() == 0 else None
        machine.clone.chmod(0o555)
        status, _, err = machine.gen("list")
        machine.clone.chmod(0o755)
    assert status == 2
    assert "cannot write in" in err


def without_null(machine: Machine, state: str) -> None:
    """Another file in place of /dev/null in the scripts: that of this machine is left alone."""
    null = machine.folder / "null"
    if state != "missing":
        null.touch()
        null.chmod(0o444)
    for script in ("setup", "test"):
        path = machine.clone / "scripts" / script
        text = path.read_text(encoding="utf-8")
        # a device cannot be made without privileges
        text = text.replace("-c /dev/null", "-e /dev/null")
        path.write_text(text.replace("/dev/null", str(null)), encoding="utf-8")


@pytest.mark.parametrize("state", ["read-only", "missing"])
@pytest.mark.parametrize("script", ["gen", "test"])
def test_null_device_is_not_writable(script, state):
    """The message names it, and nothing else: flock and the compiler are there."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        machine = Machine(folder)
        machine.fake("python3", text=STAND_IN)
        machine.fake("c++", "make", "perl")
        machine.user = 65534 if os.geteuid() == 0 else None
        machine.clone.chmod(0o777)
        without_null(machine, state)
        status, out, err = machine.run(machine.clone / "scripts" / script)
    assert (status, out) == (2, "")
    assert err.startswith("set-up: ") and "null cannot be written; repair it:" in err
    assert len(err.splitlines()) == 2 and "missing" not in err


def test_flock_is_missing(machine):
    (machine.bin / "flock").unlink()
    status, _, err = machine.gen("list")
    assert status == 2 and "flock is missing" in err and "util-linux" in err


# -- what scripts/test runs -----------------------------------------------------------------------
#: tests of one file stay together, so that what they share is made once
WORKERS = "-n 2 --dist worksteal"


def test_arguments_go_to_pytest_alone(machine):
    machine.fake("c++", "make", "perl")
    status, out, _ = machine.run(machine.clone / "scripts" / "test", "tb/test_x.py", "-k", "a b")
    assert (status, out) == (0, f"{machine.clone}: {WORKERS} tb/test_x.py -k a b\n")


def test_whole_check_uses_the_environment_made(machine):
    machine.fake("c++", "make", "perl")
    machine.fake("chosen", text=STAND_IN)
    status, out, _ = machine.run(machine.clone / "scripts" / "test", PYTHON="chosen")
    # the two run side by side
    assert status == 0
    assert sorted(out.splitlines()) == [f"{machine.clone}: {WORKERS}", "mypy by .venv/bin/python"]


def test_failed_lint_fails_the_whole(machine):
    machine.fake("c++", "make", "perl")
    machine.run(machine.clone / "scripts" / "setup")
    ruff = machine.clone / ".venv" / "bin" / "ruff"
    ruff.unlink()
    ruff.write_text("#!/bin/sh\necho lint; exit 1\n", encoding="utf-8")
    ruff.chmod(0o755)
    assert machine.run(machine.clone / ".ci" / "run", CI="true") == (1, "lint\n", "")


def test_failed_types_fail_the_whole(machine):
    machine.fake("c++", "make", "perl")
    machine.fake("chosen", text=STAND_IN)
    test = machine.clone / "scripts" / "test"
    text = test.read_text(encoding="utf-8")
    assert text.count("-m mypy &") == 1
    test.write_text(text.replace("-m mypy &", "-m mypy && false &"), encoding="utf-8")
    status, out, _ = machine.run(test, PYTHON="chosen")
    assert status == 1 and f"{machine.clone}: {WORKERS}" in out


def test_scripts_are_executable():
    for path in [*(ROOT / "scripts").rglob("*"), ROOT / ".ci" / "run"]:
        if path.is_file() and path.read_bytes().startswith(b"#!"):
            assert os.access(path, os.X_OK), path
