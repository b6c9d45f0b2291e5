"""Power: what is computed by hand from a liberty file, and what physics demands."""

from __future__ import annotations

import gzip
import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from lowbit.generators import cli
from lowbit.generators.api import design
from lowbit.generators.errors import CheckFailed, UsageError
from lowbit.generators.flow import liberty
from lowbit.generators.flow.power.activity import simulate_netlist
from lowbit.generators.flow.power.energy import Energy, check_energies, measure_energy, nominal_slew
from lowbit.generators.flow.power.functions import FunctionError, parse, truth_table
from lowbit.generators.flow.power.hierarchy import homes, read_tree
from lowbit.generators.flow.power.netlist import read_netlist
from lowbit.generators.flow.power.recording import Recording

from ...support.pdks import pdk_files

#: an inverter, a NAND, a buffer and a flip-flop with round numbers: loads in fF, energies in fJ
#: (fF times V squared), leakage in pW; energies of the inverter are load plus 10 times slew
LIBRARY = """library(round) {
 time_unit : "1ns"; voltage_unit : "1V"; leakage_power_unit : "1pW"; nom_voltage : 2.0;
 capacitive_load_unit (1,ff);
 power_lut_template(both) { variable_1 : input_transition_time;
  variable_2 : total_output_net_capacitance; index_1 ("0, 1"); index_2 ("0, 10"); }
 power_lut_template(turned) { variable_1 : total_output_net_capacitance;
  variable_2 : input_transition_time; index_1 ("0, 10"); index_2 ("0, 1"); }
 power_lut_template(one) { variable_1 : input_transition_time; index_1 ("0, 1"); }
 lu_table_template(slews) { variable_1 : input_net_transition;
  variable_2 : total_output_net_capacitance; index_1 ("0, 1"); index_2 ("0, 10"); }
 cell(INV) { area : 1; cell_leakage_power : 4;
  leakage_power() { when : "A"; value : 7; } leakage_power() { when : "!A"; value : 3; }
  pin(A) { direction : input; capacitance : 3; }
  pin(Y) { direction : output; function : "!A";
   timing() { related_pin : "A";
    rise_transition(slews) { values ("0.1, 0.2", "0.1, 0.2"); }
    fall_transition(slews) { values ("0.1, 0.2", "0.1, 0.2"); } }
   internal_power() { related_pin : "A"; rise_power(both) { values ("0, 10", "10, 20"); }
    fall_power(turned) { values ("0, 20", "20, 40"); } } } }
 cell(BUF) { area : 2; cell_leakage_power : 5;
  pin(A) { direction : input; capacitance : 2; }
  pin(Y) { direction : output; function : "A"; } }
 cell(NAND) { area : 2; cell_leakage_power : 6;
  pin(A) { direction : input; capacitance : 3;
   internal_power() { when : "!B"; rise_power(one) { values ("1, 1"); }
    fall_power(one) { values ("2, 2"); } } }
  pin(B) { direction : input; capacitance : 3; }
  pin(Y) { direction : output; function : "(A B)'";
   internal_power() { related_pin : "A"; rise_power(scalar) { values ("100"); }
    fall_power(scalar) { values ("200"); } }
   internal_power() { related_pin : "B"; rise_power(scalar) { values ("300"); }
    fall_power(scalar) { values ("400"); } } } }
 cell(DFF) { area : 6; cell_leakage_power : 10;
  ff(IQ, IQN) { clocked_on : "C"; next_state : "D"; }
  pin(D) { direction : input; capacitance : 4; }
  pin(C) { direction : input; clock : true; capacitance : 5;
   internal_power() { rise_power(one) { values ("8, 8"); } fall_power(one) { values ("9, 9"); } } }
  pin(Q) { direction : output; function : "IQ";
   internal_power() { related_pin : "C"; rise_power(scalar) { values ("50"); }
    fall_power(scalar) { values ("70"); } } } }
 cell(LAT) { area : 5; latch(IQ, IQN) { enable : "G"; data_in : "D"; }
  pin(D) { direction : input; } pin(G) { direction : input; }
  pin(Q) { direction : output; function : "IQ"; } }
}
"""
CHAIN = """module top(a, y); input a; output y; wire m;
 INV u0 (.A(a), .Y(m)); INV u1 (.A(m), .Y(y)); endmodule"""
TOGGLE = """module top(clk, q); input clk; output q; wire n;
 DFF r (.C(clk), .D(n), .Q(q)); INV u (.A(q), .Y(n)); endmodule"""
PAIR = "module top(a, b, y); input a, b; output y; NAND u (.A(a), .B(b), .Y(y)); endmodule"


@pytest.fixture
def library(tmp_path: Path) -> liberty.Library:
    file = tmp_path / "round.lib"
    file.write_text(LIBRARY)
    return liberty.load([file])


def bits(*values: int) -> np.ndarray:
    return np.array(values, np.uint8)[:, None]


def energy_of(verilog: str, library: liberty.Library, inputs: dict[str, np.ndarray],
              outputs: dict[str, np.ndarray], clock: str = "", slew: float | None = 0.5) -> Energy:
    names = sorted(set(re.findall(r"\b[A-Z]{3,4}\b", verilog)))
    netlist = read_netlist(verilog, "top", library, names)
    recording = Recording(inputs, outputs, clock, 0)
    return measure_energy(netlist, simulate_netlist(netlist, recording), library, slew_ns=slew)


def test_inverter_chain_by_hand(library: liberty.Library) -> None:
    """a: 0 1 1 0, three counted cycles. Loads: a and m 3 fF, y 5 fF (the output port); V = 2."""
    a = bits(0, 1, 1, 0)
    found = energy_of(CHAIN, library, {"a": a}, {"y": a})
    # 2 toggles of each of a, m, y: 2 * (3 + 3 + 5) fF * V**2 / 2, in three cycles
    joules = found.per_cycle()
    assert joules["switching"] == pytest.approx(2 * 11e-15 * 4 / 2 / 3)
    # m rises and falls at 3 fF, y at 5 fF; slew 0.5: rise load + 5, fall 2 * load + 10 (its table
    # has load first)
    inside = (3 + 5) + (2 * 3 + 10) + (5 + 5) + (2 * 5 + 10)
    assert joules["internal"] == pytest.approx(inside * 1e-15 / 3)
    assert joules["clock"] == 0
    # counted: a = 1 1 0, so m = 0 0 1: the first inverter leaks 7 7 3, the second 3 3 7
    assert found.leakage == pytest.approx((7 + 7 + 3 + 3 + 3 + 7) / 3 * 1e-12)


def test_rest_is_leakage_alone(library: liberty.Library) -> None:
    a = bits(1, 1, 1, 1)
    found = energy_of(CHAIN, library, {"a": a}, {"y": a})
    assert found.per_cycle() == {"switching": 0.0, "internal": 0.0, "clock": 0.0}
    power = found.power(1.0)
    assert power["total"] == power["leakage"] == pytest.approx(10e-12)


def test_twice_the_clock_is_twice_the_dynamic_power(library: liberty.Library) -> None:
    a = bits(0, 1, 0, 1)
    found = energy_of(CHAIN, library, {"a": a}, {"y": a})
    slow, fast = found.power(2.0), found.power(1.0)
    assert slow["leakage"] == fast["leakage"] > 0
    for kind in ("switching", "internal"):
        assert fast[kind] == pytest.approx(2 * slow[kind]) and slow[kind] > 0


def test_toggling_flip_flop_by_hand(library: liberty.Library) -> None:
    """Its start is any, so its output is not compared; it toggles in every cycle."""
    some = {"q": bits(0, 0, 0, 0, 0)}
    with pytest.raises(CheckFailed, match="all outputs of the netlist depend"):
        energy_of(TOGGLE, library, {}, some, "clk")
    verilog = TOGGLE.replace("(clk, q)", "(clk, s, z, q)").replace(
        "output q;", "output q, z; input s; INV v (.A(s), .Y(z));")
    zero = bits(0, 0, 0, 0, 0)
    found = energy_of(verilog, library, {"s": zero}, {"z": zero + 1, **some}, "clk")
    # in every two cycles: q and n rise and fall once; q drives 3 fF and a port of 5, n 4 fF
    joules = found.per_cycle()
    assert joules["switching"] == pytest.approx((8 + 4) * 1e-15 * 4 / 2)
    inside = (50 + 70) + (4 + 5) + (2 * 4 + 10)
    assert joules["internal"] == pytest.approx(inside / 2 * 1e-15)
    # a clock edges twice a cycle: 5 fF, and 8 + 9 fJ in the pin
    assert joules["clock"] == pytest.approx((5 * 4 + 17) * 1e-15)


def test_who_caused_a_toggle(library: liberty.Library) -> None:
    """Energies by the input that changed; of both at once the mean; inputs' own by condition."""
    a, b = bits(0, 0, 1, 1, 0), bits(0, 1, 1, 0, 1)
    y = 1 - a * b
    found = energy_of(PAIR, library, {"a": a, "b": b}, {"y": y})
    # b up: nothing. a up: y falls, 200. b down: y rises, 300. a down, b up: y stays 1, and with
    # b = 1 the condition of a's own energy does not hold
    assert found.per_cycle()["internal"] == pytest.approx(500 / 4 * 1e-15)
    a, b = bits(0, 1, 0, 1), bits(0, 0, 0, 1)
    found = energy_of(PAIR, library, {"a": a, "b": b}, {"y": 1 - a * b})
    # a up (b = 0): 1; a down: 2; both up: y falls, the mean of 200 and 400
    assert found.per_cycle()["internal"] == pytest.approx((1 + 2 + 300) / 3 * 1e-15)


def test_toggles_of_a_random_netlist(library: liberty.Library) -> None:
    """Gates and flip-flops at random, against a plain loop over them in Python; a synchronous
    reset (d = 0 as NAND and inverter) makes all starts alike."""
    rng = np.random.default_rng(3)
    wires = [f"n{i}" for i in range(40)]
    registers = wires[:8]
    gates: list[tuple[str, str, list[str]]] = []
    for i, name in enumerate(wires[8:]):
        kind = ("INV", "NAND")[int(rng.integers(2))]
        count = 1 if kind == "INV" else 2
        before = ["a", "b", *wires[:8 + i]]
        gates.append((kind, name, [str(x) for x in rng.choice(before, count, replace=False)]))
    following = {name: str(rng.choice(wires[20:])) for name in registers}
    text = "".join(f"{kind} g{name} (.A({pins[0]}), " + (f".B({pins[1]}), " * (len(pins) - 1))
                   + f".Y({name}));\n" if len(pins) > 1 else
                   f"{kind} g{name} (.A({pins[0]}), .Y({name}));\n" for kind, name, pins in gates)
    for name, data in following.items():
        text += (f"NAND r{name} (.A({data}), .B(run), .Y(x{name})); "
                 f"INV i{name} (.A(x{name}), .Y(d{name})); "
                 f"DFF f{name} (.C(clk), .D(d{name}), .Q({name}));\n")
    inner = [*wires, *(f"{mark}{name}" for name in registers for mark in "xd")]
    verilog = (f"module top(clk, run, a, b, y); input clk, run, a, b; output y; "
               f"wire {', '.join(inner)};\n{text} assign y = {wires[-1]}; endmodule")
    cycles = 200
    inputs = {name: rng.integers(0, 2, (cycles, 1), dtype=np.uint8) for name in ("run", "a", "b")}
    inputs["run"][:] = 1
    inputs["run"][:3] = 0
    value = dict.fromkeys(registers, 0)
    rows = []
    for t in range(cycles):
        value |= {name: int(bit[t, 0]) for name, bit in inputs.items()}
        for _, name, pins in gates:
            value[name] = 1 - int(all(value[pin] for pin in pins))
        for name, data in following.items():
            value[f"d{name}"] = value[data] & value["run"]
            value[f"x{name}"] = 1 - value[f"d{name}"]
        rows.append(dict(value))
        value |= {name: value[f"d{name}"] for name in registers}
    netlist = read_netlist(verilog, "top", library, ["INV", "NAND", "DFF"])
    y = np.array([[row[wires[-1]]] for row in rows], np.uint8)
    found = simulate_netlist(netlist, Recording(inputs, {"y": y}, "clk", 3))
    assert found.unknown == 0 and found.compared == cycles - 3
    named = {name: net for net, names in netlist.names.items() for name in names}
    for name in inner:
        expected = sum(a[name] != b[name] for a, b in itertools.pairwise(rows[2:]))
        assert found.toggles[named[name]] == expected, name
    assert sum(int(found.toggles[named[name]]) for name in wires) > cycles


def test_a_netlist_that_differs_has_no_power(library: liberty.Library) -> None:
    a = bits(0, 1, 1, 0)
    with pytest.raises(CheckFailed, match="output y, bit 0, in cycle 0"):
        energy_of(CHAIN, library, {"a": a}, {"y": 1 - a})


def test_data_of_a_stream_count_where_they_are_valid(library: liberty.Library) -> None:
    a, valid = bits(0, 1, 1, 0), bits(0, 1, 0, 1)
    netlist = read_netlist("module top(a, v, y, z); input a, v; output y, z; INV p (.A(v), .Y(m)); "
                           "INV q (.A(m), .Y(z)); INV r (.A(a), .Y(y)); endmodule", "top", library,
                           ["INV"])
    for cycle, wrong in enumerate(valid[:, 0]):
        y = 1 - a
        y[cycle] ^= 1
        recording = Recording({"a": a, "v": valid}, {"y": y, "z": valid}, "", 0, {"y": "z"})
        if wrong:
            with pytest.raises(CheckFailed, match=f"output y, bit 0, in cycle {cycle}"):
                simulate_netlist(netlist, recording)
        else:
            assert simulate_netlist(netlist, recording).compared == 2 + 4


def test_wires_and_slew(library: liberty.Library) -> None:
    a = bits(0, 1)
    netlist = read_netlist(CHAIN, "top", library, ["INV"])
    activity = simulate_netlist(netlist, Recording({"a": a}, {"y": a}, "", 0))
    wired = measure_energy(netlist, activity, library, slew_ns=0.5, wire_ff=1).per_cycle()
    assert wired["switching"] == pytest.approx((4 + 4 + 6) * 1e-15 * 4 / 2)
    # the chain's slew at four pins of 3 fF: beyond the table, linearly: 0.1 + 0.1 * 12 / 10
    assert nominal_slew(library) == pytest.approx(0.22)


@pytest.mark.parametrize(("verilog", "words"), [
    ("module top(d, g, q); input d, g; output q; LAT u (.D(d), .G(g), .Q(q)); endmodule", "latch"),
    ("module top(y); output y; wire m; INV u0 (.A(y), .Y(m)); INV u1 (.A(m), .Y(y)); endmodule",
     "combinational loop"),
    ("module top(a, y); input a; output y; wire c; INV u0 (.A(a), .Y(c)); "
     "DFF u (.C(c), .D(a), .Q(y)); endmodule", "one clock port")])
def test_refused(verilog: str, words: str, library: liberty.Library) -> None:
    with pytest.raises((UsageError, CheckFailed), match=words) as error:
        energy_of(verilog, library, {name: bits(0, 1, 1) for name in re.findall(
            r"input ([a-z, ]+);", verilog + "input a;")[0].split(", ")}, {}, "clk")
    assert "\n" not in str(error.value)


def test_functions() -> None:
    names = ("A", "B", "C")
    for text, rule in (("A B + !C", lambda a, b, c: a & b | 1 - c),
                       ("(A+B)' ^ C", lambda a, b, c: 1 - (a | b) ^ c),
                       ("!A ^ B * C | 0", lambda a, b, c: (1 - a ^ b) & c),
                       ("A'' & 1", lambda a, b, c: a)):
        table = truth_table(parse(text), names)
        rows = [rule(*row[::-1]) for row in itertools.product((0, 1), repeat=3)]
        assert [table >> at & 1 for at in range(8)] == rows, text
    for text in ("A &", "(A", "A)", "A % B", ""):
        with pytest.raises(FunctionError):
            parse(text)


def test_gates_serve_instances(library: liberty.Library) -> None:
    """A register by its name; logic by what it drives; nets at an input port are outside."""
    rtl = """module leaf (d, clk, q);
  input d;
  input clk;
  output q;
endmodule
module top (a, clk, y, z);
  leaf one (
    .d(a));
  leaf two (
    .d(a));
endmodule
"""
    verilog = r"""module top(a, clk, y, z); input a, clk; output y, z; wire \one.d , \two.q ;
 wire both; wire own;
 INV u0 (.A(a), .Y(both)); INV u1 (.A(both), .Y(own)); INV u2 (.A(\one.d ), .Y(z));
 DFF r1 (.C(clk), .D(both), .Q(\one.q )); DFF r2 (.C(clk), .D(own), .Q(\two.q ));
 assign \one.d = \two.q ; INV u3 (.A(\one.q ), .Y(y)); endmodule"""
    netlist = read_netlist(verilog.replace(r"wire \one.d ,", r"wire \one.d , \one.q ,"), "top",
                           library, ["INV", "DFF"])
    found = homes(netlist, read_tree(rtl, "top"))
    assert found["r1"] == "one" and found["r2"] == "two"
    assert found["u1"] == "two" or found["u1"] == ""        # it has a name of the top
    assert found["u0"] == "" and found["u2"] == "" and found["u3"] == ""


def test_no_energies_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="--liberty FILE or --pdk NAME"):
        check_energies(liberty.embedded(), ["nand2"])
    file = tmp_path / "plain.lib"
    file.write_text(re.sub(r"internal_power\(\)", "nothing()", LIBRARY))
    found = liberty.load([file])
    with pytest.raises(UsageError, match="no internal_power"):
        check_energies(found, [found.nand2.name])
    assert cli.main(["ppa", "lut_dot", "--activity", "bench"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "--liberty" in error


@pytest.mark.parametrize(("argv", "words"), [
    (["lut_dot"], "--activity bench"), (["lut_core", "--a", "x.npy"], "belong together"),
    (["lut_core", "--activity", "norml"], "--activity must be one of"),
    (["lut_core", "--wire-load", "-1"], "--wire-load"), (["lut_core", "--slew", "x"], "--slew"),
    (["lut_core", "--netlist", "x.txt"], "must end in .v"),
    (["lut_core", "--recipe", "plain"], "--recipe"), (["lut_core", "--seed", "-1"], "--seed"),
    (["lut_core", "--estimate", "--activity", "zero"], "has area and path but no power")])
def test_wrong_usage(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ppa", *argv]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words in error


def test_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    """What gen area says, of whatever library has a fit."""
    shown = []
    for verb in ("ppa", "area"):
        assert cli.main([verb, "lut_core", "--N", "8", "--w-bits", "2", "--estimate"]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] and "estimated; errors on" in shown[0]


def test_power_of_a_core(tmp_path: Path) -> None:
    """The whole way, on a real library: parts add up, and the activity is that of a right run."""
    core = design("lut_core", M=1, N=1, K=2, a_format="int8", w_bits=1, max_k=16, preload=False,
                  zero_point=False)
    file = pdk_files("sg13g2")[0]
    found = core.ppa(liberty=file, clock_ns=4.0)
    r = found.report
    power, energy = r["power"], r["energy"]
    assert power["total_w"] == pytest.approx(sum(power.values()) - power["total_w"])
    modules = sum(m["dynamic_w"] + m["leakage_w"] for m in r["modules"]) + r["port_nets_w"]
    assert modules == pytest.approx(power["total_w"])
    assert sum(m["gates"] for m in r["modules"]) == r["cells"]
    assert sum(m["area"] for m in r["modules"]) == pytest.approx(r["area"])
    assert energy["macs"] == 4 * 1024 and energy["cycles"] > 1000
    assert energy["total_j"] == pytest.approx(
        power["total_w"] * r["clock"]["power_at_ns"] * 1e-9 * energy["cycles"])
    # every cycle has a valid and a ready at least, all known
    assert r["activity"]["output_bits_compared"] > 3 * energy["cycles"]
    # a cell not to be used is none of the netlist's
    text = gzip.decompress(file.read_bytes()).decode("latin-1")
    forbidden = set(re.findall(r"cell \((\w+)\) \{(?:(?!cell \().)*?dont_use : true", text, re.S))
    assert forbidden and not forbidden & set(r["cells_by_type"])
    assert "uW" in str(found) or "mW" in str(found)


@pytest.mark.parametrize("pdk", ["sky130hd", "sg13g2", "asap7"])
def test_energies_of_real_inverters(pdk: str) -> None:
    """A toggle at the library's own load and slew costs what a CMOS inverter of it may: between
    half and four times C V**2 of its input, leakage between 1 fW and 1 uW."""
    # of ASAP7, which comes in several files, those with the gates that a library must have
    files = [file for file in pdk_files(pdk) if not re.search("_(AO|OA|SEQ)_", file.name)]
    library = liberty.load(files)
    inverter = library.smallest((1, 0))
    assert inverter is not None
    pins = read_netlist(
        f"module top(a, y); input a; output y; wire m; {inverter.name} u (.A(a), .Y(y)); "
        "endmodule", "top", library, [inverter.name])
    a = bits(0, 1, 0, 1, 0)
    activity = simulate_netlist(pins, Recording({"a": a}, {"y": 1 - a}, "", 0))
    found = measure_energy(pins, activity, library)
    cell = pins.cells.cells[inverter.name]
    unit = cell.capacitance[cell.inputs[0]] * pins.cells.units.farad * found.volt ** 2
    assert -0.5 * unit < found.per_cycle()["internal"] < 4 * unit
    assert 1e-15 < found.leakage < 1e-6
