"""Quantisation groups: neighbouring weights of a channel that share a scale."""

from __future__ import annotations

__all__ = ["group_count", "group_spans"]


def group_count(k: int, group_size: int | None) -> int:
    """Number of quantisation groups in a channel of k weights; None means the whole channel."""
    return 1 if group_size is None else -(-k // group_size)


def group_spans(k: int, group_size: int | None) -> list[tuple[slice, slice, int]]:
    """Runs of equal-sized groups: (weights, groups, size of each), the ragged tail on its own."""
    size = k if group_size is None else min(group_size, k)
    whole = k // size
    spans = [(slice(0, whole * size), slice(0, whole), size)]
    if whole * size < k:
        spans.append((slice(whole * size, k), slice(whole, whole + 1), k - whole * size))
    return spans
