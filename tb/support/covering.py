"""Pairwise covering arrays: few configurations that hold every legal pair of factor values.

What is legal is asked of the caller (usually of the constructor of a parameter object), for
complete combinations only. A pair counts as legal when a legal combination with it was found. The
search walks: it redraws factors that the caller's complaint names until nothing is complained of,
and holds a pair to be illegal after :data:`WALKS` walks of :data:`STEPS` steps from rows with one
of its values, and as many from random ones. Deterministic:
same factors, same rule, same seed, same array.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

__all__ = ["missing", "pairs_of", "pairwise", "random_legal", "shortened", "walked_legal", "Row"]

#: one combination: a value for every factor
Row = dict[str, Any]
#: (factor, index of its value, other factor, index of its value)
Pair = tuple[int, int, int, int]
#: None for a legal combination, else the names of factors that may be to blame (perhaps none)
Complaint = Callable[[Row], Sequence[str] | None]
Factors = Mapping[str, Sequence[Any]]

#: walks, and steps of a walk, without success after which a pair is held to be illegal
WALKS, STEPS = 6, 60
#: candidates of which each row of the array is the best
_CANDIDATES = 16
#: how many pairs more a move may leave open, about, when an array is shortened
_TEMPERATURE = 0.4


def _row(factors: Factors, indices: Sequence[int]) -> Row:
    return {name: values[i] for (name, values), i in zip(factors.items(), indices, strict=True)}


def _pairs(indices: Sequence[int]) -> set[Pair]:
    return {(f, indices[f], g, indices[g])
            for f, g in itertools.combinations(range(len(indices)), 2)}


def pairs_of(factors: Factors, row: Row) -> set[Pair]:
    """The pairs that a combination holds. One of other factors holds those of the factors and
    values that it has."""
    found = [(f, list(values).index(row[name])) for f, (name, values) in
             enumerate(factors.items()) if name in row and row[name] in values]
    return {(f, i, g, j) for (f, i), (g, j) in itertools.combinations(found, 2)}


def random_legal(factors: Factors, complaint: Complaint, rng: random.Random,
                 tries: int = 100000) -> Row:
    """A random legal combination, every legal one equally likely."""
    for _ in range(tries):
        row = {name: rng.choice(values) for name, values in factors.items()}
        if complaint(row) is None:
            return row
    raise ValueError(f"no legal combination among {tries} random ones")


def walked_legal(factors: Factors, complaint: Complaint, count: int, seed: int = 1) -> list[Row]:
    """Legal combinations at the end of ``count`` walks from random ones; fewer where walks fail.

    Each legal combination can occur, those beyond narrow rules far more often than with
    :func:`random_legal`, and for fewer complaints.
    """
    search = _Search(factors, complaint, seed)
    walks = (search._walk([search.rng.randrange(n) for n in search.sizes], {})
             for _ in range(count))
    return [_row(factors, row) for row in walks if row]


def pairwise(factors: Factors, complaint: Complaint, seed: int = 1,
             elsewhere: Collection[Pair] = ()) -> list[Row]:
    """A covering array of strength two: each legal pair of values is in at least one row.

    ``factors``: values of each factor; ``complaint(row)`` judges a complete combination;
    ``elsewhere``: pairs that need no row.
    """
    return _Search(factors, complaint, seed, elsewhere).run()


def missing(factors: Factors, complaint: Complaint, rows: Sequence[Row],
            seed: int = 1, elsewhere: Collection[Pair] = ()) -> Row | None:
    """A legal combination with a pair that neither a row of ``rows`` nor ``elsewhere`` holds, None
    where none is found."""
    return _Search(factors, complaint, seed, elsewhere).missing(_indices(factors, rows))


def shortened(factors: Factors, complaint: Complaint, rows: Sequence[Row], moves: int,
              seed: int = 1, elsewhere: Collection[Pair] = ()) -> list[Row]:
    """As few rows as ``moves`` changes of a row lead to, with all pairs that ``rows`` hold, but
    for those ``elsewhere``.

    Simulated annealing: a row is taken away, and others are changed until they hold its pairs.
    """
    search = _Search(factors, complaint, seed, elsewhere)
    return search.shortened(_indices(factors, rows), moves)


def _indices(factors: Factors, rows: Sequence[Row]) -> list[list[int]]:
    return [[list(values).index(row[name]) for name, values in factors.items()] for row in rows]


class _Search:
    def __init__(self, factors: Factors, complaint: Complaint, seed: int,
                 elsewhere: Collection[Pair] = ()) -> None:
        self.factors, self.complaint, self.rng = factors, complaint, random.Random(seed)
        self.sizes = [len(values) for values in factors.values()]
        self.index = {name: f for f, name in enumerate(factors)}
        self.open: dict[Pair, None] = {     # a dictionary keeps its order, a set does not
            (f, i, g, j): None for f, g in itertools.combinations(range(len(self.sizes)), 2)
            for i in range(self.sizes[f]) for j in range(self.sizes[g])
            if (f, i, g, j) not in elsewhere}
        self.elsewhere = elsewhere

    def run(self) -> list[Row]:
        rows: list[list[int]] = []
        while self.open:
            pair = next(iter(self.open))
            fixed = {pair[0]: pair[1], pair[2]: pair[3]}
            found = [c for c in (self._candidate(fixed) for _ in range(_CANDIDATES)) if c]
            found = found or [row for row in [self._reach(fixed, rows)] if row]
            if not found:
                del self.open[pair]
                continue
            best = max(found, key=self._gain)
            for covered in _pairs(best):
                self.open.pop(covered, None)
            rows.append(best)
        return [_row(self.factors, row) for row in rows]

    def _reach(self, fixed: Mapping[int, int], rows: Sequence[list[int]]) -> list[int] | None:
        """A legal combination with the ``fixed`` values, or None after many walks."""
        # a legal row with one value of the pair is nearly a row with both
        starts = [row for row in rows if any(row[f] == i for f, i in fixed.items())]
        starts = self.rng.sample(starts, min(WALKS, len(starts)))
        starts += [[self.rng.randrange(n) for n in self.sizes] for _ in range(WALKS)]
        walks = (self._walk(start, fixed) for start in starts)
        return next((row for row in walks if row), None)

    def missing(self, rows: Sequence[list[int]]) -> Row | None:
        for row in rows:
            for pair in _pairs(row):
                self.open.pop(pair, None)
        for f, i, g, j in self.open:
            found = self._reach({f: i, g: j}, rows)
            if found:
                return _row(self.factors, found)
        return None

    def shortened(self, rows: list[list[int]], moves: int) -> list[Row]:
        rng, best = self.rng, rows
        held = Counter(pair for row in rows for pair in _pairs(row))
        while moves > 0:
            # the row that is alone with the fewest pairs
            rows = sorted(best, key=lambda row: sum(
                held[pair] == 1 and pair not in self.elsewhere for pair in _pairs(row)))[1:]
            held = Counter(pair for row in rows for pair in _pairs(row))
            holes = dict.fromkeys(p for row in best for p in sorted(_pairs(row))
                                  if not held[p] and p not in self.elsewhere)
            while holes and moves > 0:
                moves -= 1
                f, i, g, j = rng.choice(list(holes))
                near = [n for n, row in enumerate(rows) if (row[f] == i) != (row[g] == j)]
                n = rng.choice(near if near and rng.random() < 0.8 else range(len(rows)))
                changed = self._walk(rows[n], {f: i, g: j}, 12)
                if changed is None:
                    continue
                old, new = _pairs(rows[n]), _pairs(changed)
                lost = [pair for pair in sorted(old - new)
                        if held[pair] == 1 and pair not in self.elsewhere]
                worse = len(lost) - sum(pair in holes for pair in new)
                if worse > 0 and rng.random() >= math.exp(-worse / _TEMPERATURE):
                    continue
                held.subtract(old)
                held.update(new)
                rows[n] = changed
                for pair in new:
                    holes.pop(pair, None)
                holes |= dict.fromkeys(lost)
            if not holes:
                best = rows
            else:
                held = Counter(pair for row in best for pair in _pairs(row))
        return [_row(self.factors, row) for row in best]

    def _gain(self, indices: Sequence[int]) -> int:
        return sum(pair in self.open for pair in _pairs(indices))

    def _candidate(self, fixed: Mapping[int, int]) -> list[int] | None:
        """A legal combination with the ``fixed`` values that covers many open pairs, or None."""
        indices = [fixed.get(f, -1) for f in range(len(self.sizes))]
        order = [f for f in range(len(self.sizes)) if f not in fixed]
        self.rng.shuffle(order)
        chosen = list(fixed)
        for f in order:
            gains = [sum(((g, indices[g], f, i) if g < f else (f, i, g, indices[g])) in self.open
                         for g in chosen) for i in range(self.sizes[f])]
            top = max(gains)
            indices[f] = self.rng.choice([i for i, gain in enumerate(gains) if gain == top])
            chosen.append(f)
        return self._walk(indices, fixed)

    def _walk(self, start: Sequence[int], fixed: Mapping[int, int],
              steps: int = STEPS) -> list[int] | None:
        """``start`` made legal by redrawing values that are not ``fixed``; None: not found."""
        indices = [fixed.get(f, i) for f, i in enumerate(start)]
        free = [f for f in range(len(self.sizes)) if f not in fixed]
        for _ in range(steps):
            blamed = self.complaint(_row(self.factors, indices))
            if blamed is None:
                return indices
            suspects = [self.index[name] for name in blamed if self.index[name] not in fixed]
            # mostly who is named; sometimes anybody, as a complaint need not name all causes
            among = suspects if suspects and self.rng.random() < 0.8 else free
            if not among:
                return None
            f = self.rng.choice(among)
            indices[f] = self.rng.randrange(self.sizes[f])
        return None
