"""The embedded technology-neutral cell library, written out as a liberty file.

It answers "how many gate equivalents" where no PDK is installed. It models no foundry's process.

- Area: transistors of the usual static CMOS schematic over the four of a two-input NAND, so
  NAND2 = 1 GE. Every transistor counts alike: the wider p-channel devices of a NOR, wells and
  routing are left out. A cell of drive d has d times the transistors in its output stage.
- Delay: the method of logical effort (Sutherland, Sproull and Harris, "Logical Effort", 1999,
  ch. 1 and 4) with p_inv = 1: d = TAU * (p + load / drive), an input presenting g * drive unit
  inverter inputs. A fan-out-of-4 inverter is 5 TAU, called FO4; TAU is set so that FO4 is
  25 ps, a round number that makes 1 ns = 40 FO4. Quote paths of this library in FO4.
- Slew: an edge takes 2 TAU * load / drive and does not influence delays.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FO4_NS", "NAME", "liberty_text"]

NAME = "lowbit_generic"
TAU_NS = 0.005
FO4_NS = 5 * TAU_NS          #: delay of an inverter that drives four of its kind
_UNIT_FF = 2.0               #: input of the unit inverter; only ratios matter
_LOADS = (0.0, 256.0)        #: ends of the linear delay tables, in unit inverters


@dataclass(frozen=True)
class _Gate:
    """Combinational cell: inner and output-stage transistors, logical effort, parasitic."""

    name: str
    function: str
    inner: int
    stage: int
    effort: float
    parasitic: float
    drives: tuple[int, ...] = (1, 2)


# g and p of compound gates follow from series stacks with equal drive and p-channel devices of
# twice the width; two-stage cells have the effort of their first stage and both parasitics.
_GATES = (
    _Gate("inv", "!A", 0, 2, 1, 1, (1, 2, 4, 8)),
    _Gate("buf", "A", 2, 2, 1, 3, (1, 2, 4, 8)),
    _Gate("nand2", "!(A & B)", 0, 4, 4 / 3, 2),
    _Gate("nand3", "!(A & B & C)", 0, 6, 5 / 3, 3),
    _Gate("nand4", "!(A & B & C & D)", 0, 8, 2, 4),
    _Gate("nor2", "!(A | B)", 0, 4, 5 / 3, 2),
    _Gate("nor3", "!(A | B | C)", 0, 6, 7 / 3, 3),
    _Gate("nor4", "!(A | B | C | D)", 0, 8, 3, 4),
    _Gate("and2", "A & B", 4, 2, 4 / 3, 4),
    _Gate("and3", "A & B & C", 6, 2, 5 / 3, 5),
    _Gate("or2", "A | B", 4, 2, 5 / 3, 4),
    _Gate("or3", "A | B | C", 6, 2, 7 / 3, 5),
    _Gate("aoi21", "!((A & B) | C)", 0, 6, 2, 7 / 3),
    _Gate("aoi22", "!((A & B) | (C & D))", 0, 8, 2, 4),
    _Gate("aoi222", "!((A & B) | (C & D) | (E & F))", 0, 12, 8 / 3, 6),
    _Gate("oai21", "!((A | B) & C)", 0, 6, 2, 7 / 3),
    _Gate("oai22", "!((A | B) & (C | D))", 0, 8, 2, 4),
    _Gate("xor2", "A ^ B", 2, 8, 3, 5),
    _Gate("xnor2", "!(A ^ B)", 2, 8, 3, 5),
    _Gate("mux2", "(A & !S) | (B & S)", 10, 2, 2, 6),
    _Gate("maji3", "!((A & B) | (C & (A | B)))", 0, 10, 8 / 3, 4),
    _Gate("maj3", "(A & B) | (C & (A | B))", 10, 2, 8 / 3, 6),
)

# A transmission-gate master and slave with two clock inverters and an output inverter: 24
# transistors; an asynchronous clear or preset turns two inverters into two-input gates (+4).
_FLOPS = (("dff", 24, ""), ("dffr", 28, 'clear : "!R";'), ("dffs", 28, 'preset : "!R";'))
_CLOCK_TO_Q, _SETUP = 8 * TAU_NS, 6 * TAU_NS


def _table(kind: str, template: str, values: list[float]) -> str:
    row = '"' + ", ".join(f"{v:.6f}" for v in values) + '"'
    rows = row if template == "scalar" else f"{row}, {row}"       # slew makes no difference
    return f"{kind}({template}) {{ values({rows}); }}"


def _arc(related: str, parasitic: float, drive: int, extra: str = "") -> str:
    delay = [TAU_NS * (parasitic + load / drive) for load in _LOADS]
    slew = [2 * TAU_NS * load / drive for load in _LOADS]
    tables = [_table(f"{what}_{edge}", "load", values) for edge in ("rise", "fall")
              for what, values in (("cell", delay), ("transition", slew))]
    tables = [t.replace("transition_rise", "rise_transition")
              .replace("transition_fall", "fall_transition") for t in tables]
    return f'      timing() {{ related_pin : "{related}"; {extra}\n        ' + \
        "\n        ".join(tables) + "\n      }"


def _input(name: str, load: float, body: str = "") -> str:
    return (f"    pin({name}) {{ direction : input; capacitance : {load * _UNIT_FF:.4f};"
            f"{body} }}")


def _gate(gate: _Gate, drive: int) -> str:
    # single-stage cells grow at their inputs too; two-stage cells only in the second stage
    pins = [pin for pin in "ABCDEFS" if pin in gate.function]
    load = gate.effort * (1 if gate.inner else drive)
    area = (gate.inner + gate.stage * drive) / 4
    name = gate.name + (f"_x{drive}" if drive > 1 else "")
    lines = [f"  cell({name}) {{", f"    area : {area:g};"]
    lines += [_input(pin, load) for pin in pins]
    lines += [f'    pin(Y) {{ direction : output; function : "{gate.function}";']
    lines += [_arc(pin, gate.parasitic, drive) for pin in pins]
    return "\n".join([*lines, "    }", "  }"])


def _flop(name: str, transistors: int, asynchronous: str) -> str:
    setup = " ".join(_table(f"{edge}_constraint", "scalar", [_SETUP]) for edge in ("rise", "fall"))
    hold = setup.replace(f"{_SETUP:.6f}", f"{0:.6f}")
    arcs = "".join(f'\n      timing() {{ related_pin : "CK"; timing_type : {kind}_rising; {body} }}'
                   for kind, body in (("setup", setup), ("hold", hold)))
    lines = [f"  cell({name}) {{", f"    area : {transistors / 4:g};",
             f'    ff(IQ, IQN) {{ clocked_on : "CK"; next_state : "D"; {asynchronous} }}',
             _input("CK", 1, " clock : true;"), _input("D", 1, arcs)]
    lines += [_input("R", 4 / 3)] if asynchronous else []
    lines += ['    pin(Q) { direction : output; function : "IQ";',
              _arc("CK", _CLOCK_TO_Q / TAU_NS, 1, "timing_type : rising_edge;")]
    if asynchronous:
        kind, sense = (("clear", "positive_unate") if "clear" in asynchronous
                       else ("preset", "negative_unate"))
        lines.append(_arc("R", 4, 1, f"timing_type : {kind}; timing_sense : {sense};"))
    return "\n".join([*lines, "    }", "  }"])


def liberty_text() -> str:
    """The library as liberty text: the same bytes every time."""
    loads = ", ".join(f"{load * _UNIT_FF:g}" for load in _LOADS)
    head = f"""/* Technology-neutral cells of lowbit; Apache-2.0. No process: NAND2 = 1 gate
   equivalent by transistor count, delays by logical effort with FO4 = {FO4_NS * 1000:g} ps. */
library({NAME}) {{
  delay_model : table_lookup;
  time_unit : "1ns";
  voltage_unit : "1V";
  current_unit : "1mA";
  pulling_resistance_unit : "1kohm";
  leakage_power_unit : "1nW";
  capacitive_load_unit(1, ff);
  nom_process : 1; nom_temperature : 25; nom_voltage : 1;
  default_max_transition : 100;
  slew_lower_threshold_pct_rise : 20; slew_lower_threshold_pct_fall : 20;
  slew_upper_threshold_pct_rise : 80; slew_upper_threshold_pct_fall : 80;
  input_threshold_pct_rise : 50; input_threshold_pct_fall : 50;
  output_threshold_pct_rise : 50; output_threshold_pct_fall : 50;
  lu_table_template(load) {{
    variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1("0, 10"); index_2("{loads}");
  }}"""
    cells = [_gate(gate, drive) for gate in _GATES for drive in gate.drives]
    cells += [_flop(*flop) for flop in _FLOPS]
    return "\n".join([head, *cells, "}", ""])
