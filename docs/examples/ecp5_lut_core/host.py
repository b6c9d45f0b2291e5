"""A matrix product on the board: `python host.py /dev/ttyUSB0` sends one and compares the results.

Packing is that of the design's manifest and beats are those of its golden workload, so that other
parameters in `build.py` need no change here.
"""

from __future__ import annotations

import argparse
import os
import sys
import termios
import tty
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from lowbit.generators.verilog.emit import emit
from lowbit.golden.lut.parameters import LutCoreParameters
from lowbit.golden.lut.workload import LutWorkload, Operands

#: the design on the board
PARAMETERS = LutCoreParameters(target="fpga", a_format="int8", M=1, N=8, K=4,
                               table_source="internal", preload=False)
BAUD = 1_000_000

Beat = dict[str, int]


class Streams:
    """A design's streams as bytes, from its manifest."""

    def __init__(self, parameters: LutCoreParameters) -> None:
        streams = emit(parameters).manifest["streams"]
        self.inputs = [s for s in streams if s["direction"] == "input"]
        [self.output] = [s for s in streams if s["direction"] == "output"]

    @staticmethod
    def size(stream: dict[str, Any]) -> int:
        """Bytes of a beat."""
        return -(-int(stream["width"]) // 8)

    def pack(self, stream: dict[str, Any], beat: Beat) -> bytes:
        word = 0
        for field in stream["fields"]:
            word |= (beat[field["name"]] & ((1 << field["width"]) - 1)) << field["offset"]
        return word.to_bytes(self.size(stream), "little")

    def results(self, data: bytes) -> Iterator[Beat]:
        size = self.size(self.output)
        for at in range(0, len(data), size):
            word = int.from_bytes(data[at:at + size], "little")
            yield {field["name"]: word >> field["offset"] & ((1 << field["width"]) - 1)
                   for field in self.output["fields"]}

    def load(self, beats: dict[str, list[Beat]]) -> bytes:
        """Commands that write beats to the memories."""
        return b"".join(
            b"W" + bytes([index]) + len(beats[stream["name"]]).to_bytes(2, "little")
            + b"".join(self.pack(stream, beat) for beat in beats[stream["name"]])
            for index, stream in enumerate(self.inputs))

    def run(self, beats: dict[str, list[Beat]]) -> bytes:
        """The command that plays them."""
        return b"R" + b"".join(len(beats[stream["name"]]).to_bytes(2, "little")
                               for stream in self.inputs)


def product(parameters: LutCoreParameters, a: Any, q: Any, bits: int
            ) -> tuple[LutWorkload, dict[str, list[Beat]]]:
    """``a`` (M rows, k) of int8 times codes ``q`` (columns, k) as a workload, and its beats."""
    workload = LutWorkload(parameters, Operands(a, q, bits))
    inputs: dict[str, Iterable[Beat | None]] = workload.start().inputs()
    return workload, {name: [beat for beat in beats if beat is not None]
                      for name, beats in inputs.items()}


def result(workload: LutWorkload, beats: Iterable[Beat]) -> Any:
    """The product from the beats that came back."""
    one_pass = workload.start()
    for beat in beats:
        one_pass.take(beat)
    return one_pass.result()


def result_bytes(streams: Streams, workload: LutWorkload) -> int:
    """Bytes that a product sends back."""
    return workload.operations * workload.core.drain_beats * streams.size(streams.output)


def exchange(port: int, data: bytes, count: int) -> bytes:
    """Send, then read ``count`` bytes."""
    while data:
        data = data[os.write(port, data):]
    answer = b""
    while len(answer) < count:
        answer += os.read(port, count - len(answer))
    return answer


def open_port(name: str) -> int:
    port = os.open(name, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(port)
    settings = termios.tcgetattr(port)
    settings[4] = settings[5] = getattr(termios, f"B{BAUD}")
    termios.tcsetattr(port, termios.TCSANOW, settings)
    termios.tcflush(port, termios.TCIOFLUSH)
    return port


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("port", help="the board's serial port, such as /dev/ttyUSB0")
    parser.add_argument("--k", type=int, default=128, help="length of the sums; default 128")
    args = parser.parse_args()
    p, streams = PARAMETERS, Streams(PARAMETERS)
    rng = np.random.default_rng(1)
    a = rng.integers(-128, 128, (p.M, args.k), np.int8)
    q = rng.integers(0, 16, (p.N, args.k), np.uint8)
    workload, beats = product(p, a, q, 4)
    port = open_port(args.port)
    if exchange(port, b"?", 1) != b"L":
        print("the board does not answer; is the bitstream loaded?")
        return 1
    exchange(port, streams.load(beats), 0)
    data = exchange(port, streams.run(beats), result_bytes(streams, workload))
    found = result(workload, streams.results(data))
    differ = int((found != workload.golden()).sum())
    print(f"{found.size} results, {differ} differ from the golden model\n{found}")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
