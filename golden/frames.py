"""Beats of a design's streams as bytes in a memory or on a byte-wide bus: the layout of frames.

A *frame* is one beat as the C struct that its fields make, in their order:

- an element of w bits lies in a container of the next power of two of bits (1, 2, 4, 8, 16, 32,
  64; beyond that, of whole 64-bit words), in its lowest bits;
- the containers of a field follow each other without gaps, element 0 lowest. So elements of a byte
  and more are an array of C integers, and smaller ones lie in bytes that they never straddle;
- a field begins at a multiple of its container's bytes (at most 8), the frame ends at a multiple
  of the largest of them; bytes come lowest first.

On a bus of B bytes a frame of more than B bytes is filled up to whole bus beats; a smaller one to
a power of two of bytes, so that several share a bus beat, the first one lowest, or, where they must
not share, to a bus beat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Frame", "Place", "container"]


def container(bits: int) -> int:
    """Bits that an element of so many bits takes in a frame."""
    return 1 << (bits - 1).bit_length() if bits <= 64 else -(-bits // 64) * 64


@dataclass(frozen=True)
class Place:
    """A field of a frame: ``count`` elements of ``element_width`` bits, from byte ``offset`` on."""

    name: str
    element_width: int
    count: int
    signed: bool        #: elements are two's complement: their containers are sign-extended
    offset: int = 0

    @property
    def container(self) -> int:
        """Bits of an element's container."""
        return container(self.element_width)

    @property
    def alignment(self) -> int:
        """The field's offset is a multiple of so many bytes."""
        return min(max(self.container // 8, 1), 8)

    @property
    def size(self) -> int:
        """Bytes."""
        return -(-self.container * self.count // 8)

    def spread(self, packed: int) -> int:
        """The field's bytes, as an integer, of its elements packed without gaps."""
        found, mask = 0, (1 << self.element_width) - 1
        for i in range(self.count):
            value = packed >> i * self.element_width & mask
            if self.signed and value >> (self.element_width - 1):
                value |= ((1 << self.container) - 1) & ~mask
            found |= value << i * self.container
        return found

    def gathered(self, data: int) -> int:
        """The inverse of :meth:`spread`; what fills the containers is not looked at."""
        mask = (1 << self.element_width) - 1
        return sum((data >> i * self.container & mask) << i * self.element_width
                   for i in range(self.count))


@dataclass(frozen=True)
class Frame:
    """The layout of a stream's beats, and how they cross a bus.

    Either ``beats`` or ``frames`` is 1: bus beats of a frame, frames of a bus beat.
    """

    fields: tuple[Place, ...]
    size: int       #: bytes of a frame, filled up
    beats: int = 1
    frames: int = 1

    @property
    def bus_bytes(self) -> int:
        return self.size * self.frames // self.beats

    @classmethod
    def of_fields(cls, fields: Iterable[Place], bus_bytes: int | None = None, *,
                  share: bool = True) -> Frame:
        """Place fields (their offsets are not looked at) in a frame, for a bus of so many bytes,
        a power of two, or one as wide as the frame. Without ``share`` a bus beat has one frame at
        most."""
        at, largest, placed = 0, 1, []
        for field in fields:
            at = -(-at // field.alignment) * field.alignment
            placed.append(Place(field.name, field.element_width, field.count, field.signed, at))
            at, largest = at + field.size, max(largest, field.alignment)
        size = max(-(-at // largest) * largest, 1)
        if bus_bytes is None:
            return cls(tuple(placed), size)
        if size > bus_bytes or not share:
            beats = -(-size // bus_bytes)
            return cls(tuple(placed), beats * bus_bytes, beats=beats)
        size = 1 << (size - 1).bit_length()
        return cls(tuple(placed), size, frames=bus_bytes // size)

    def pack(self, beat: Mapping[str, int]) -> int:
        """The bytes of a beat as an integer, byte 0 lowest; per field its elements, packed. Fields
        that the frame does not have are not looked at."""
        return sum(field.spread(beat[field.name]) << 8 * field.offset for field in self.fields)

    def unpack(self, data: int) -> dict[str, int]:
        """The inverse of :meth:`pack`."""
        return {field.name: field.gathered(data >> 8 * field.offset) for field in self.fields}
