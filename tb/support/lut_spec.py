"""What a LUT dot product must compute, in plain Verilog: sums of plus or minus
activations, of radix 3 of activations times trits."""

from __future__ import annotations

from lowbit.golden.lut.parameters import LutDotParameters

__all__ = ["dot_spec"]


def tree(terms: list[str]) -> str:
    """The sum of all, halves first: the solver finds it easier than a chain."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return f"({tree(terms[:half])} + {tree(terms[half:])})"


def dot_spec(p: LutDotParameters, *, flaw: str = "") -> str:
    """Verilog of module ``spec`` with the ports of an integer ``lut_dot`` with internal tables.

    A pattern bit says plus (radix 3: the trit of activation k has bit 2 k + 1 where it is not 0,
    and 2 k where it is negative); those of plane p count 2**p. ``flaw`` puts a mistake in, to see
    that a proof notices: ``sign`` of the last activation flipped, ``width`` one bit of the result
    lost.
    """
    assert p.is_integer and p.table_source == "internal"
    bits, terms = p.activation.bits, []
    lines = []
    for read in range(p.reads):
        plane, table = divmod(read, p.groups)
        for k in range(p.K):
            i, g, a = read * p.K + k, read, table * p.K + k
            if p.radix == 3:
                plus = f"~patterns[{2 * i}]"
            elif not p.has_sign:
                plus = f"patterns[{i}]"
            elif k == p.K - 1:
                plus = f"~patterns[{i}]"    # the packer's sign: set for a negative top activation
            else:
                plus = f"patterns[{i}] ^ patterns[{g * p.K + p.K - 1}]"
            if flaw == "sign" and i == p.K * p.reads - 1:
                plus = f"~({plus})"
            lines += [f"  wire plus_{i} = {plus};",
                      f"  wire signed [{p.dot_bits - 1}:0] a_{i} = "
                      f"$signed(values[{(a + 1) * bits - 1}:{a * bits}]);"]
            term = f"(plus_{i} ? a_{i} : -a_{i})"
            if plane:
                term = f"({term} <<< {plane})"
            terms.append(f"(patterns[{2 * i + 1}] ? {term} : {p.dot_bits}'sd0)"
                         if p.radix == 3 else term)
    total = tree(terms)
    if flaw == "width":
        lines += [f"  wire signed [{p.dot_bits - 1}:0] total = {total};"]
        total = f"$signed(total[{p.dot_bits - 2}:0])"
    return "\n".join([
        "module spec (", f"  input  [{p.K * p.groups * bits - 1}:0] values,",
        f"  input  [{p.pattern_bits * p.reads - 1}:0] patterns,",
        f"  output signed [{p.dot_bits - 1}:0] dot", ");", *lines,
        f"  assign dot = {total};", "endmodule", ""])
