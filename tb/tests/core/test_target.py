"""The target: what it chooses, and that it chooses structure only."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from lowbit.generators import registry
from lowbit.generators.flow.fpga.synthesis import xilinx_counts
from lowbit.generators.flow.prove import prove_equal
from lowbit.generators.verilog.emit import emit, emit_component
from lowbit.generators.verilog.scan import scan_wrapper
from lowbit.golden.baselines.parameters import (
    Fp16DotParameters,
    Fp16PeParameters,
    Fp16TileParameters,
)
from lowbit.golden.bitmod.array_parameters import BitmodArrayParameters
from lowbit.golden.bitmod.pe_parameters import BitmodPeParameters
from lowbit.golden.formats import FP8_E4M3, FP8_E5M2
from lowbit.golden.lut.parameters import LutCoreParameters, LutDotParameters, LutTableParameters
from lowbit.golden.parameters import ParameterError, Parameters, TargetParameters
from lowbit.hdl.common.adders import OPERATOR, RIPPLE
from lowbit.hdl.common.fp_add import FpAdd

#: what docs/fpga.md says the target chooses
CHOICES: dict[type[Parameters], dict[str, tuple[Any, Any]]] = {
    LutDotParameters: dict(adder=("ripple", "operator"), select=("onehot", "binary")),
    LutTableParameters: dict(adder=("ripple", "operator"), pipeline=(1, 2)),
    LutCoreParameters: dict(adder=("ripple", "operator"), select=("onehot", "binary"),
                            pipeline=(1, 2)),
    BitmodPeParameters: dict(adder=("ripple", "operator"), accumulator=("digits", "fixed"),
                             pipeline=(0, 2)),
    BitmodArrayParameters: dict(adder=("ripple", "operator"), accumulator=("digits", "fixed"),
                                pipeline=(0, 2)),
    Fp16PeParameters: dict(adder=("ripple", "operator"), style=("small", "fast"),
                           pipeline=(0, 1)),
    Fp16DotParameters: dict(adder=("ripple", "operator"), style=("small", "fast"),
                            pipeline=(0, 1)),
}
#: what a choice is settable with
NEEDS: dict[str, dict[str, str]] = {"accumulator": {"align": "cycle"}}


@pytest.mark.parametrize("cls", CHOICES, ids=lambda cls: cls.generator)
def test_choices(cls: type[TargetParameters]) -> None:
    """Each default follows the target, and each is settable on its own."""
    asic, fpga = cls(), cls(target="fpga")
    chosen = {f.name for f in dataclasses.fields(cls)
              if getattr(asic, f.name) != getattr(fpga, f.name)}
    assert chosen == {"target", *CHOICES[cls]}
    for name, values in CHOICES[cls].items():
        assert (getattr(asic, name), getattr(fpga, name)) == values
        needs: dict[str, Any] = NEEDS.get(name, {})
        mixed: Any = cls(target="fpga", **needs, **{name: values[0]})
        assert getattr(mixed, name) == values[0]
        words = "".join(f"--{option} {value} " for option, value in needs.items())
        assert mixed.flags() == f"--target fpga {words}--{name} {values[0]}"
    assert asic.flags() == "" and cls(**{n: v[0] for n, v in CHOICES[cls].items()}) == asic


def test_form_of_a_pe_chooses_registers() -> None:
    pipelines = [BitmodPeParameters(align=align, target=target).pipeline
                 for align in ("row", "cycle") for target in ("asic", "fpga")]
    assert pipelines == [0, 2, 1, 5]


def test_segment() -> None:
    """One carry chain where there is one, and only for integers."""
    assert LutCoreParameters(a_format="int8").segment_bits == 24
    p = LutCoreParameters(a_format="int8", target="fpga")
    assert p.segment_bits == p.word_bits == p.derived()["segment_bits"]
    assert LutCoreParameters(a_format="int8", target="fpga", segment=4).segment_bits == 4
    assert p.waiting_stream == "table" and not p.offset_entries
    LutCoreParameters(datapath="float", target="fpga")


def test_manifest_and_header() -> None:
    """The values that the target chose are there, and rebuild the same object."""
    p = LutDotParameters(a_format="int8", target="fpga")
    design = emit(p)
    assert design.manifest["parameters"]["select"] == "binary"
    assert LutDotParameters(**design.manifest["parameters"]) == p
    assert "// Command: gen lut_dot --target fpga --a-format int8\n" in design.verilog
    assert "//   adder = operator\n" in design.verilog


def test_parts_inherit() -> None:
    tile = Fp16TileParameters(target="fpga", adder="ripple")
    assert (tile.pe.adder, tile.pe.style, tile.pe.pipeline) == ("ripple", "fast", 1)
    array = BitmodArrayParameters(target="fpga", pipeline=2)
    assert (array.pe.target, array.pe.pipeline, array.pe.latency) == ("fpga", 2, 3)


def test_refusals() -> None:
    with pytest.raises(ParameterError, match="--target must be one of asic, fpga; got xilinx"):
        LutCoreParameters(target="xilinx")
    with pytest.raises(ParameterError, match=r"--adder must be one of ripple, operator; got \+"):
        LutCoreParameters(adder="+")
    with pytest.raises(ParameterError, match=r"--pipeline must be 0\.\.5; got 6"):
        BitmodPeParameters(pipeline=6)


@pytest.mark.parametrize("style", ["small", "fast"])
@pytest.mark.parametrize("fmt", [FP8_E4M3, FP8_E5M2], ids=lambda fmt: fmt.name)
def test_adder_forms_are_equal(fmt: Any, style: str) -> None:
    """A whole floating-point adder, for all inputs."""
    ripple, operator = (emit_component(FpAdd(fmt, style=style, adders=adders), top="adder").verilog
                        for adders in (RIPPLE, OPERATOR))
    assert "_carry_" in ripple and "_carry_" not in operator
    verdict = prove_equal(operator, "adder", ripple, "adder", timeout=60)
    assert verdict.proved, verdict


@pytest.mark.parametrize("name", ["lut_core", "lut_table", "bitmod_pe", "fp16_pe", "fp16_dot"])
def test_no_ripple_carry_is_left(name: str) -> None:
    """Every adder of a design follows the parameter."""
    cls: Any = registry.find(name).parameter_class()
    assert "_carry_" not in emit(cls(target="fpga")).verilog


def test_luts(tmp_path: Path) -> None:
    """On Xilinx 7 series the FPGA's own choice of structure takes less than that of cells."""
    luts = []
    for target in ("asic", "fpga"):
        design = emit(LutDotParameters(a_format="int8", target=target))
        counts = xilinx_counts(design.verilog, design.top, tmp_path)
        assert (counts["carry"] > 0) and counts["ff"] == 0
        luts.append(counts["lut"])
    assert luts[1] < luts[0]


def test_wrapper_takes_every_port() -> None:
    design = emit(BitmodPeParameters())
    text = scan_wrapper(design.manifest)
    for port in design.manifest["ports"]:
        assert text.count(f".{port['name']}(") == 1
