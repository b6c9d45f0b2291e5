"""What a model comes to on an accelerator: cycles, bytes and bounds of its calls, engines of equal
area, and how far public numbers explain the published figures."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from lowbit.golden.accelerator.linear import rows_per_pass
from lowbit.golden.accelerator.parameters import AccelParameters

from . import sensitivity
from .engines import NAMES, accelerator, areas, call_bytes, engines, roofline
from .engines import weight_bits as bits_of
from .extrapolate import call_cost, check_call, chosen_slot
from .workload import Call, Step, Workload

__all__ = ["BATCHES", "NOT_COUNTED", "estimate"]

#: batches of the engines of equal area
BATCHES = (1, 1024)
#: what is in no figure
NOT_COUNTED = ("embedding", "norms", "rotary positions", "softmax", "activation functions",
               "residuals", "sampling", "the host's writes and reads of rows", "refresh and "
               "conflicts of the memory")
#: fields of a line that add up
SUMS = ("calls", "cycles", "compute_bound", "memory_bound", "bound", "beats", "bytes_read",
        "bytes_written", "bytes_bound", "instructions")


def _line(p: AccelParameters, call: Call, step: Step, slot: int, latency: int) -> dict[str, Any]:
    """All calls of a kind: cycles by the cycle model, and bounds that no program can beat.

    Compute: beats of the core without a row, column or cycle to spare; memory: weights with their
    scales and activations once over the bus, or FP32 results, which have channels of their own.
    """
    rows = step.rows(call)
    cost = call_cost(p, call.products, rows, latency, slot)
    planes = sum(s.n * s.k * s.bits for s in call.products)
    read, written = call_bytes(p, call, rows, "lut")
    compute = rows * planes / (p.M * p.N * p.per_beat)
    memory = max(read, written) / (p.axi_data / 8)
    found = asdict(cost) | dict(compute_bound=compute, memory_bound=memory,
                                bound=max(compute, memory), bytes_bound=read + written)
    return dict(name=call.name, k=call.k, n=[s.n for s in call.products],
                bits=[s.bits for s in call.products], rows=rows,
                passes=-(-rows // rows_per_pass(p, call.k)), calls=call.count,
                limit="compute" if compute >= memory else "memory") \
        | {name: round(call.count * value) for name, value in found.items()}


def _step(p: AccelParameters, work: Workload, step: Step, slots: dict[Call, int],
          latency: int) -> dict[str, Any]:
    lines = [_line(p, call, step, slots[call], latency) for call in work.calls]
    total = {name: sum(line[name] for line in lines) for name in SUMS}
    return dict(name=step.name, batch=step.batch, positions=step.new, context=step.context,
                lines=lines, total=total,
                host=dict(attention_macs=work.attention_macs(step),
                          attention_calls=sum(a.count for a in work.attention),
                          cache_bytes=work.cache_bytes(step)))


def _engines(p: AccelParameters, work: Workload, prompt: int) -> dict[str, Any]:
    found, missing = engines(p)
    steps = [Step(f"decode, batch {batch}", batch, 1, prompt) for batch in BATCHES]
    shape = max((s for _, s in work.shapes()), key=lambda s: s.n * s.k)
    rows = []
    for engine in found:
        cycles = [roofline(p, engine, work, step) for step in steps]
        rows.append(dict(
            name=NAMES[engine.kind], design=engine.design, record=engine.record,
            area_um2=engine.area, copies=round(engine.copies, 4),
            macs_a_cycle=round(engine.macs(shape), 2),
            bits_a_weight=round(bits_of(p, shape, engine.kind), 3),
            cycles={str(batch): round(one) for batch, one in zip(BATCHES, cycles, strict=True)}))
    records = areas()
    return dict(library=records["library"], recipe=records["recipe"],
                bytes_a_cycle=p.axi_data // 8, engines=rows, missing=missing)


def _area(p: AccelParameters) -> dict[str, Any] | None:
    """Area of the accelerator, part by part; None: not recorded."""
    row = accelerator(p)
    if row is None or AccelParameters(**row["parameters"]) != replace(p, memory="inferred"):
        return None
    records = areas()
    return dict(library=records["library"], recipe=records["recipe"],
                **{name: row[name] for name in ("design", "record", "core", "inside_core", "frame",
                                                "memories")})


def _sensitivity(work: Workload) -> dict[str, Any]:
    rows = [dict(step=step.name, speedups=[
        dict(times=times, bits=bits, speedup=round(sensitivity.speedup(work, step, times, bits), 2))
        for times, bits in sensitivity.SETTINGS]) for step in sensitivity.STEPS]
    return dict(gpu=sensitivity.GPU.name, published=sensitivity.PUBLISHED,
                lacks=sensitivity.LACKS, steps=rows)


def estimate(p: AccelParameters, work: Workload, *, batch: int = 1, prompt: int = 1024,
             latency: int = 60) -> dict[str, Any]:
    """The whole report, JSON-ready. :class:`UsageError` where the design does not take the
    model."""
    for call in work.calls:
        check_call(p, work.name, call)
    steps = [Step("prefill", batch, prompt, prompt)]
    if decoder := any(call.last for call in work.calls):
        steps.append(Step("decode", batch, 1, prompt))
    slots = {call: chosen_slot(p, call, [step.rows(call) for step in steps], latency)
             for call in work.calls}
    groups = sorted({shape.group or shape.k for _, shape in work.shapes()})
    return dict(
        model=work.name, source=work.source, weights=work.weights,
        bits=sorted({shape.bits for _, shape in work.shapes()}), groups=groups,
        design=p.flags(), latency=latency, bytes_a_cycle=p.axi_data // 8,
        macs_a_cycle={str(bits): p.M * p.N * p.per_beat / bits
                      for bits in sorted({shape.bits for _, shape in work.shapes()})},
        steps=[_step(p, work, step, slots, latency) for step in steps],
        not_counted=list(NOT_COUNTED), area=_area(p), equal_area=_engines(p, work, prompt),
        sensitivity=_sensitivity(work) if decoder and work.attention else None)
