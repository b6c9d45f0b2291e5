"""Operands of ``gen run``: the options that all designs share, and arrays from a user's files."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from lowbit.golden.formats import FP16
from lowbit.golden.parameters import Parameters
from lowbit.golden.workload import Workload

from .errors import UsageError
from .options import positive
from .sampling import Sample
from .weights.checkpoint import load_npy
from .weights.file import is_tensor_file
from .weights.formats import load_tensor

__all__ = ["OperandOptions", "fp16_codes", "matrix", "read_array"]

Array = NDArray[Any]


def read_array(path: Path, option: str) -> Array:
    """The array of a .npy file, in this machine's byte order."""
    array = load_npy(path, option)
    return np.asarray(array, array.dtype.newbyteorder("="))


def matrix(array: Array, option: str, shape: str) -> Array:
    """The array, if it is a matrix that is not empty; ``shape`` names its sides."""
    if array.ndim != 2 or 0 in array.shape:
        raise UsageError(f"{option} must have shape {shape}, both at least 1; got {array.shape}")
    return array


def fp16_codes(array: Array, option: str, shape: str) -> Array:
    """FP16 codes for a design that takes no other format: of float16, or uint16 as they are."""
    if array.dtype.name not in ("float16", "uint16"):
        hint = "; convert it: array.astype(numpy.float16)" if array.dtype.kind in "fi" else ""
        raise UsageError(f"{option} must be float16, or uint16 as raw FP16 codes; "
                         f"got {array.dtype}{hint}")
    matrix(array, option, shape)
    return FP16.from_array(array) if array.dtype == np.float16 else array.astype(np.int64)


def codes_array(path: Path, option: str, what: str, shape: str) -> Array:
    """uint8 codes of a .npy file."""
    array = read_array(path, option)
    if array.dtype != np.uint8:
        raise UsageError(f"{option} must be {what}; got {array.dtype}")
    return matrix(array, option, shape)


class OperandOptions(ABC):
    """The operand options of a family's designs, and the workload that they describe.

    ``--a`` activations and ``--w`` weights are common to all. Weights are a tensor file of ``gen
    quantize``, or *raw*: an array of codes and what the family's own options add to it.
    """

    #: the class of workloads
    workload: ClassVar[type[Workload]]
    #: the weights that a design takes, in words
    weights: ClassVar[str]
    #: what ``--a`` may be, and what the result is
    activations: ClassVar[str]
    result: ClassVar[str]
    #: attributes of the raw form's options: option, attribute of the parsed arguments, help
    raw_files: ClassVar[Sequence[tuple[str, str, str]]] = ()

    def add(self, parser: argparse.ArgumentParser) -> None:
        """Add the options."""
        group = parser.add_argument_group("operands")
        group.add_argument("--a", type=Path, required=True, metavar="FILE.npy",
                           help=f"activations (rows, k), {self.activations}")
        group.add_argument("--w", type=Path, required=True, metavar="FILE",
                           help="weights: a tensor file of gen quantize (.npz), or the raw form: "
                           "codes (cols, k), uint8 (.npy), with the options below")
        group.add_argument("--tensor", metavar="NAME",
                           help="tensor of a tensor file that holds several")
        group = parser.add_argument_group("operands, raw form")
        group.add_argument("--dtype", metavar="NAME", help="weight format of the codes (gen "
                           "quantize --help lists them); a tensor file names its own")
        group.add_argument("--group-size", type=positive, metavar="G",
                           help="weights along k that share a scale; the last group may be shorter")
        for option, attribute, what in self.raw_files:
            group.add_argument(option, dest=attribute, type=Path, metavar="FILE.npy", help=what)

    def files(self, args: argparse.Namespace) -> list[Path | None]:
        """Files that are read."""
        return [args.a, args.w, *(getattr(args, attribute) for _, attribute, _ in self.raw_files)]

    def read(self, args: argparse.Namespace, parameters: Parameters) -> Workload:
        """The workload; :class:`UsageError` or
        :class:`~lowbit.golden.parameters.ParameterError` for operands that do not fit."""
        activations = read_array(args.a, "--a")
        raw = {"--dtype": args.dtype, "--group-size": args.group_size,
               **{option: getattr(args, attribute) for option, attribute, _ in self.raw_files}}
        if is_tensor_file(args.w, "--w"):
            given = [option for option, value in raw.items() if value is not None]
            if given:
                raise UsageError("a tensor file brings its own format and scales; leave "
                                 f"{', '.join(given)} out")
            _, tensor = load_tensor(args.w, args.tensor)
            return self.of_tensor(parameters, activations, tensor)
        if args.tensor is not None:
            raise UsageError("--tensor names a tensor of a tensor file; --w is an array")
        return self.of_raw(parameters, activations, args)

    @abstractmethod
    def of_tensor(self, parameters: Parameters, activations: Array, tensor: Any) -> Workload:
        """The workload of a tensor as ``gen quantize`` makes them. ``activations`` as NumPy has
        them: floats, integers, or raw codes."""

    @abstractmethod
    def of_raw(self, parameters: Parameters, activations: Array,
               args: argparse.Namespace) -> Workload:
        """The workload of an array ``args.w`` and of what the other options name."""

    def sample(self, parameters: Parameters, activations: Array, weights: Array) -> Sample:
        """The product of float64 activations (rows, k) and float32 weights (columns, k), rounded
        to what the design takes by default. :class:`UsageError` or
        :class:`~lowbit.golden.parameters.ParameterError` where it takes no such product, or its
        family has not said how."""
        raise UsageError(f"{parameters.generator} does not say how floats become its operands; "
                         "give --a and --w, or leave its metric out")

    def outputs(self, parameters: Parameters) -> tuple[int, int]:
        """Rows and columns of the results of one operation, of a family with :meth:`sample`."""
        return 1, 1

    def refuse(self, parameters: Parameters, tensor: Any) -> NoReturn:
        """The tensor is of a format that the design does not take."""
        raise UsageError(f"{parameters.generator} takes {self.weights}; these are of another "
                         "format: quantise them to one of those")
