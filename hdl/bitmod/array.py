"""BitMoD array: tiles in a systolic mesh with banked buffers (paper section IV-C, Figure 6).

Schedule of one step (a term of a chunk), decided in cycle t: bank j of the weight buffer is read
in cycle t + j and bank i of the input buffer in t + i; a cycle later the term generators above
tile column j turn the codes into terms, and tile (0, j) and tile (i, 0) register terms and
activations. Terms move down and activations move right by one tile a cycle, so tile (i, j) works
on the step in cycle t + 2 + i + j. When the last tile has the sums of an operation, all tiles
give out their results together.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, memory

from lowbit.golden.bitmod.array_parameters import BitmodArrayParameters
from lowbit.golden.bitmod.cycles import operation_timing
from lowbit.golden.formats import FP16
from lowbit.golden.timing import Timing

from ..common.design import Buffer, Design
from ..common.shared import Shared
from ..fabric.buffers import BufferControl, OperandBank, named_ports
from ..fabric.elastic import Beat
from ..fabric.skew import skewed
from .exponent_scan import scan_groups
from .mesh import ColumnOperands, RowOperands, mesh
from .results import deliver
from .sequencer import Sequencer
from .streams import CODE_BITS, SCALE_BITS, SELECTOR_BITS, chunk_bits, mesh_ports
from .term_generator import special_values

__all__ = ["BitmodArray"]


def _header_layout(p: BitmodArrayParameters) -> data.StructLayout:
    """What the sequencer needs of a group."""
    return data.StructLayout({"floating": 1, "terms": 2, "chunks": chunk_bits(p), "last": 1,
                              "keep": 1})


class BitmodArray(Design[BitmodArrayParameters]):
    """Streams and special values as :class:`.tile.BitmodTile`, for all rows and columns.

    The buffers take operands ahead of their use. The activations of operations with ``keep`` in
    their groups stay for the next operation (all chunks of it must fit into the input buffer).

    With ``--exponent scan`` the exponents of the rows are found as the activations are written,
    and enter a buffer of their own when a group is complete; they stay as the activations do (all
    groups of an operation with ``keep`` must fit).
    """

    def __init__(self, p: BitmodArrayParameters) -> None:
        super().__init__(p, mesh_ports(p))

    def timing(self) -> Timing:
        return operation_timing(self.parameters)

    def memories(self) -> list[Buffer]:
        p, port = self.parameters, "a write port and a registered read port a bank"
        group = p.columns * (SELECTOR_BITS + SCALE_BITS)
        exponents = [Buffer(
            "exponent_bank", p.tile_rows, p.exponent_room if p.scans else p.group_entries,
            p.rows * FP16.ebits,
            f"exponents of the rows, a group a word; {port}")] if p.align == "row" else []
        return [
            Buffer("input_bank", p.tile_rows, p.input_chunks, p.rows * p.lanes * 16,
                   f"activations, a chunk a word; {port}"),
            Buffer("weight_bank", p.tile_columns, p.weight_chunks, p.columns * p.lanes * CODE_BITS,
                   f"weight codes, a chunk a word; {port}"),
            Buffer("group_bank", p.tile_columns, p.group_entries, group,
                   f"selectors and scales, a group a word; {port}"), *exponents,
            Buffer("headers", 1, p.group_entries, _header_layout(p).size,
                   "what the sequencer needs of a group; a write port and a combinational read "
                   "port")]

    def elaborate(self, platform: object) -> Module:
        m, p = Module(), self.parameters
        m.submodules.sequencer = sequencer = Sequencer(p)
        weights = self._control(m, "weight", self.weight, p.weight_chunks, p.tile_columns)
        given = p.align == "row" and not p.scans
        banks = max(p.tile_columns, p.tile_rows) if given else p.tile_columns
        groups = self._control(m, "group", self.group, p.group_entries, banks)
        header = self._headers(m, groups)
        if p.scans:
            inputs, found, scanned = self._scanned(m)
            # with a group's exponents its activations are there
            there = found.valid
            m.d.comb += [found.take.eq(sequencer.take_group), found.keep.eq(header.keep),
                         found.rewind.eq(header.keep & sequencer.step.ends)]
        else:
            inputs = self._control(m, "input", self.activation, p.input_chunks, p.tile_rows)
            there = inputs.valid
        m.d.comb += [
            sequencer.ready.eq(weights.valid & there & groups.valid),
            sequencer.floating.eq(header.floating), sequencer.terms.eq(header.terms),
            sequencer.chunks.eq(header.chunks), sequencer.ending.eq(header.last),
            weights.take.eq(sequencer.take_chunk), inputs.take.eq(sequencer.take_chunk),
            groups.take.eq(sequencer.take_group), inputs.keep.eq(header.keep),
            inputs.rewind.eq(header.keep & sequencer.step.ends)]

        codes = self._banks(m, "weight", weights, self.weight.payload.codes,
                            p.columns * p.lanes * CODE_BITS, p.weight_chunks)
        values = self._banks(m, "input", inputs, self.activation.payload["values"],
                             p.rows * p.lanes * 16, p.input_chunks)
        group = self.group.payload
        selector_bits = p.columns * SELECTOR_BITS
        written = [Cat(group.selectors[j], group.scales[j]) for j in range(p.tile_columns)]
        entries = self._banks(m, "group", groups, written,
                              selector_bits + p.columns * SCALE_BITS, p.group_entries)
        operands = [ColumnOperands(word, entry[:selector_bits], entry[selector_bits:])
                    for word, entry in zip(codes, entries, strict=True)]
        exponents: list[Value] | list[None] = [None] * p.tile_rows
        width = p.rows * FP16.ebits
        if given:
            exponents = self._banks(m, "exponent", groups, group.exponents, width,
                                    p.group_entries)
        elif p.scans:
            written = [scanned["exponents"].word_select(i, width) for i in range(p.tile_rows)]
            exponents = self._banks(m, "exponent", found, written, width, p.exponent_room)
        rows = [RowOperands(*pair) for pair in zip(values, exponents, strict=True)]
        tiles = mesh(m, p, sequencer.step, special_values(m, self), rows, operands)
        deliver(m, p, sequencer, tiles, self.result, self.channel if p.channel_scale else None)
        return m

    def _scanned(self, m: Module) -> tuple[BufferControl, BufferControl, Beat]:
        """(input buffer, buffer of exponents, what enters that: the exponents of a group)."""
        p, port = self.parameters, self.activation
        m.submodules.input_control = inputs = BufferControl(p.input_chunks, p.tile_rows)
        m.submodules.exponent_control = found = BufferControl(p.exponent_room, p.tile_rows)
        take = Signal(name="activation_take")
        m.d.comb += take.eq(port.valid & port.ready)
        scanned = scan_groups(m, p, Value.cast(port.payload["values"]), take, port.payload.last)
        m.d.comb += [port.ready.eq(inputs.ready & (~scanned.valid | scanned.ready)),
                     inputs.write.eq(take), found.write.eq(scanned.valid),
                     scanned.ready.eq(found.ready)]
        return inputs, found, scanned

    @staticmethod
    def _control(m: Module, name: str, source: Any, depth: int, banks: int) -> BufferControl:
        m.submodules[f"{name}_control"] = control = BufferControl(depth, banks)
        m.d.comb += [control.write.eq(source.valid), source.ready.eq(control.ready)]
        return control

    @staticmethod
    def _banks(m: Module, name: str, control: BufferControl, written: Any, width: int,
               depth: int) -> list[Value]:
        """Words of the banks of a buffer, each a cycle after the one before; ``written`` is what
        each takes."""
        words = []
        addresses = skewed(m, control.read_address, len(written), f"{name}_address")
        for i, (word, address) in enumerate(zip(written, addresses, strict=True)):
            m.submodules[f"{name}_bank_{i}"] = bank = Shared(OperandBank(width, depth),
                                                           f"bitmod_{name}_bank")
            m.d.comb += [
                bank.write.eq(control.write & control.ready),
                bank.write_address.eq(control.write_address),
                bank.write_data.eq(word),
                bank.read_address.eq(address)]
            words.append(bank.read_data)
        return words

    def _headers(self, m: Module, control: BufferControl) -> Any:
        """What the sequencer needs of the group under way, without a cycle of delay."""
        p, group = self.parameters, self.group.payload
        layout = _header_layout(p)
        m.submodules.headers = words = memory.Memory(shape=layout, depth=p.group_entries, init=[])
        write, read = named_ports(words, "headers", domain="comb")
        m.d.comb += [write.en.eq(control.write & control.ready),
                     write.addr.eq(control.write_address), read.addr.eq(control.read_address)]
        m.d.comb += [write.data[name].eq(group[name]) for name, _ in layout]
        return read.data
