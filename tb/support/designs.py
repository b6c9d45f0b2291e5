"""Small designs of every generator, for the rules that all emitted Verilog and manifests keep."""

from __future__ import annotations

import argparse
from functools import cache

from lowbit.generators import registry
from lowbit.generators.options import add_parameters, take_parameters
from lowbit.generators.verilog.emit import Emitted, emit
from lowbit.generators.wrapping import Wrap, add_wrap, take_wrap
from lowbit.golden.parameters import Parameters
from lowbit.tb.support.session import shared

__all__ = ["LINES", "emitted", "parameters"]

#: command lines; every generator occurs (test_manifest.py asserts it)
LINES = (
    "lut_table --pipeline 2", "lut_table --M 1 --K 2 --datapath float",
    "lut_dot --a-format int8", "lut_dot --K 2 --datapath float --groups 2",
    "lut_core --N 2", "lut_core --N 12 --a-format int8 --reset async_low",
    "lut_core --N 2 --K 2 --datapath float", "lut_core --N 2 --parallel-planes 2",
    "lut_dot --a-format int8 --parallel-planes 4",
    "lut_core --N 2 --K 2 --table-source internal --groups 2",
    "lut_core --N 12 --K 2 --no-preload --group-scale e4m3 --a-format int8",
    "lut_core --N 2 --K 2 --table-format int8 --buffer double --pipeline 2 --lanes 1",
    "lut_core --radix 3 --N 2 --groups 2 --unpack trits5 --a-format int8",
    "lut_core --radix 3 --N 9 --K 1 --groups 4 --unpack sherry --group-scale fp16 --offset real "
    "--buffer double", "lut_dot --radix 3 --K 3 --select binary", "lut_table --radix 3 --K 3",
    "weight_unpack --lanes 3", "weight_unpack --code sherry", "weight_unpack --code trits2",
    "dot_core --preset nvfp4 --N 8 --K 2 --lanes 1",
    "dot_core --N 2 --K 3 --w-format int3 --acc fp16 --reset async_low",
    "dot_core --N 2 --K 2 --w-format int3 --a-format int8 --recode packer --out-format int8",
    "fp16_pe --acc fp16 --pipeline 1", "fp16_tile --rows 2 --columns 1",
    "fp16_dot --K 3 --input-registers --pipeline 1", "fp16_pe --operands normal",
    "fp16_dot --K 2 --tree fp32 --multiply lmul", "fp16_dot --K 2 --w-format bitmod3",
    "bitmod_encoder --flint --olive", "bitmod_pe", "bitmod_pe --align cycle",
    "bitmod_pe --align cycle --exact --olive", "bitmod_dequant",
    "bitmod_tile --rows 2 --columns 2",
    "bitmod_tile --rows 1 --columns 2 --align cycle --exact --out fp16 --reset async_low",
    "bitmod_tile --rows 2 --columns 1 --exponent scan --max-group 12 --group-scale e8m0 --flint",
    "bitmod_array --rows 2 --columns 1 --tile-rows 1 --tile-columns 2 --input-chunks 16 "
    "--weight-chunks 16",
    "bitmod_array --rows 1 --columns 2 --tile-rows 2 --tile-columns 1 --input-chunks 8 "
    "--weight-chunks 8 --max-group 16 --exponent scan --reset async_low --olive",
    "systolic --R 2 --C 3", "systolic --R 2 --C 2 --dataflow ws",
    "systolic --R 2 --C 2 --drain mux --segment 1 --reset async_low",
    "systolic --R 1 --C 2 --skew out --mesh",
    "systolic --R 2 --C 2 --acc-bits 18 --out-format int8",
    "systolic --R 1 --C 2 --acc-bits 18 --dataflow ws --out-format int8",
    "systolic --R 2 --C 1 --dataflow ws --skew out --mesh",
    "systolic --R 1 --C 2 --w-format ternary --dot 4 --target fpga",
    "accel --M 1 --N 16 --K 2 --w-bits 2 --chains 1 --axi-data 64 --a-kib 1 --w-kib 1 --s-kib 1 "
    "--p-kib 1 --min-group 4 --max-group 16",
    "accel --M 1 --N 16 --K 2 --a-format int8 --w-bits 1 --chains 1 --offset none --axi-data 128 "
    "--a-kib 1 --w-kib 1 --s-kib 1 --p-kib 1 --min-group 16 --max-group 16 --reset async_low",
    "accel --engine bitmod --M 2 --N 16 --K 2 --w-bits 8 --chains 1 --axi-data 64 --a-kib 1 "
    "--w-kib 1 --s-kib 1 --p-kib 1 --min-group 4 --max-group 16",
    "lut_core --N 3 --K 2 --a-format int8 --wrap axis --axis-width 16",
    "dot_core --N 2 --K 2 --w-format e2m1 --a-format e2m1 --wrap axis --axis-width 128",
    "systolic --R 2 --C 3 --reset async_low --wrap axis", "fp16_pe --wrap scan",
    "systolic --R 2 --C 2 --reset async_low --wrap scan")


def parameters(line: str) -> Parameters:
    """The parameter object of a command line."""
    return _parsed(line)[0]


def _parsed(line: str) -> tuple[Parameters, Wrap | None]:
    name, *options = line.split()
    cls = registry.find(name).parameter_class()
    parser = argparse.ArgumentParser()
    add_parameters(parser, cls)
    add_wrap(parser)
    args = parser.parse_args(options)
    return take_parameters(args, cls), take_wrap(args)


@cache
def emitted(line: str) -> Emitted:
    """The design of a command line, emitted once a test run."""
    p, wrap = _parsed(line)
    return shared(f"design {line}", lambda: emit(p, wrap=wrap))
