#!/usr/bin/env python3
"""Speed of the native simulation of an accelerator: build seconds, cycles and layers a second.

    .venv/bin/python scripts/studies/bench_native.py [--rows N] [--k N] [--n N] [--seconds S]
        [--as-emitted] [--optimize=-O2] [--threads N] [--library FILE.so] [--build-dir DIR]
        [accel's options]

One linear layer runs again and again for ``--seconds`` of processor time, at two latencies of
memory; its result is compared with the golden simulator's once. The design is ``gen accel
--w-bits 8`` unless options of it are given. Seconds belong to the machine that they were taken on
and to what else it does: cycles are divided by the processor time of this process. ``--library``
measures a library that is already there (other options of the tools).
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from lowbit.generators.flow.native import Board
from lowbit.generators.options import add_parameters, take_parameters
from lowbit.generators.runtime.driver import Driver
from lowbit.generators.runtime.golden import GoldenRegisters
from lowbit.generators.runtime.rtl import build_rtl
from lowbit.golden.accelerator.isa import BLOCK, Instruction, Op
from lowbit.golden.accelerator.layout import pack
from lowbit.golden.accelerator.linear import Activations, Product, linear, row_blocks_of_bytes
from lowbit.golden.accelerator.parameters import AccelParameters
from lowbit.golden.grouped import GroupedWeights

PROGRAM, X, W = 0, 1 << 17, 1 << 20


def layer(p: AccelParameters, rows: int, n: int, k: int,
          memory: np.ndarray) -> tuple[list[Instruction], slice]:
    """A program and its data in ``memory``; where its results go."""
    rng = np.random.default_rng(1)
    groups = k // p.max_group
    scale = rng.normal(0, 0.1, (n, groups)).astype(np.float16).astype(np.float32)
    codes = rng.integers(0, 1 << p.w_bits, (n, k)).astype(np.uint8)
    zero = np.full((n, groups), 1 << p.w_bits - 1)
    matrix = pack(p, GroupedWeights(codes, scale, zero, p.w_bits, p.max_group, None))
    image = np.frombuffer(matrix.image, np.uint8)
    memory[W:W + len(image)] = image
    pitch = row_blocks_of_bytes(p, k)
    x = rng.normal(0, 1, (rows, pitch * BLOCK // 2)).astype(np.float16)
    memory[X:X + x.nbytes] = x.view(np.uint8).reshape(-1)
    at, columns = W + -(-len(image) // BLOCK) * BLOCK, -(-n * 4 // BLOCK)
    program = [*linear(p, rows, Activations(0, X // BLOCK, pitch), [
        Product(matrix, 0, W // BLOCK, 0, at // BLOCK, columns)])]
    return [*program, Instruction(Op.END, {"irq": 1})], slice(at, at + rows * columns * BLOCK)


def children() -> float:
    """Processor seconds of processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--k", type=int, default=1024)
    parser.add_argument("--n", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--as-emitted", action="store_true",
                        help="adders as the design has them, not the + operator")
    parser.add_argument("--optimize", default="-O2")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--library", type=Path)
    parser.add_argument("--build-dir", type=Path)
    add_parameters(parser, AccelParameters)
    parser.set_defaults(w_bits=8)
    args = parser.parse_args()
    p = take_parameters(args, AccelParameters)
    if args.library is None:
        before, start = children(), time.perf_counter()
        built = build_rtl(p, as_emitted=args.as_emitted, optimize=args.optimize,
                          threads=args.threads, build_dir=args.build_dir)
        library = built.library
        print(f"emission and build: {time.perf_counter() - start:.0f} s by the clock, "
              f"{children() - before + time.process_time():.0f} s of processor time, library of "
              f"{library.stat().st_size / 1e6:.1f} MB" +
              ("" if built.build_seconds else " (from the cache)"), flush=True)
    else:
        library = args.library
    memory = np.zeros(1 << 23, np.uint8)
    program, results = layer(p, args.rows, args.n, args.k, memory)
    golden = Driver(p, GoldenRegisters(p, memory.copy()))
    golden.call(PROGRAM, golden.load(program, PROGRAM))
    with Board(library, memory) as board:
        driver = Driver(p, board)
        count = driver.load(program, PROGRAM)
        for latency in (20, 200):
            board.timing(latency)
            cycles = runs = 0
            memory[results] = 0
            before, start = time.process_time(), time.perf_counter()
            while time.process_time() - before < args.seconds:
                counters = driver.call(PROGRAM, count)
                cycles, runs = cycles + counters.cycles, runs + 1
            spent, wall = time.process_time() - before, time.perf_counter() - start
            right = (memory[results] == golden.memory[results]).all()
            print(f"latency {latency}: {counters.cycles} cycles a layer of {args.rows} x {args.k} "
                  f"x {args.n}, weights taken in {counters.beats / counters.cycles:.0%} of them; "
                  f"{cycles / spent:.0f} cycles a second of processor time ({cycles / wall:.0f} by "
                  f"the clock), {runs} runs, results {'right' if right else 'WRONG'}")
            if not right:
                raise SystemExit(1)


if __name__ == "__main__":
    main()
