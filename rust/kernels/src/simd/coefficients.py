"""Prints the polynomial coefficients of ``coefficients.rs``: weighted minimax fits by Remez exchange (needs mpmath).

The weight of a fit makes its error the error of the final result relative to that result, so the printed error is
directly comparable with the unit roundoff of the type: 2**-24 for f32, 2**-53 for f64.
"""

from collections.abc import Callable

from mpmath import (
    atan,
    atanh,
    cos,
    erf,
    erfc,
    exp,
    expm1,
    linspace,
    log,
    log1p,
    lu_solve,
    matrix,
    mp,
    mpf,
    nstr,
    pi,
    polyval,
    sin,
    sqrt,
)

mp.prec = 300
Function = Callable[[mpf], mpf]


def remez(f: Function, weight: Function, low: mpf, high: mpf, degree: int) -> tuple[list[mpf], mpf]:
    """The polynomial (lowest power first) that minimises max |weight (f - p)| on [low, high], and that maximum."""
    count = degree + 2
    nodes = [(low + high) / 2 - (high - low) / 2 * cos(pi * i / (count - 1)) for i in range(count)]
    grid = linspace(low, high, 60 * count + 1)
    for _ in range(12):
        rows = [[x**k for k in range(degree + 1)] + [(-1) ** i / weight(x)] for i, x in enumerate(nodes)]
        solution = lu_solve(matrix(rows), matrix([f(x) for x in nodes]))
        p = list(solution)[:-1]
        error = [weight(x) * (f(x) - polyval(p[::-1], x)) for x in grid]
        # One extremum for every run of equal signs.
        runs: list[int] = []
        for i, e in enumerate(error):
            if runs and error[runs[-1]] * e > 0:
                runs[-1] = max(runs[-1], i, key=lambda j: abs(error[j]))
            else:
                runs.append(i)
        while len(runs) > count:
            runs.remove(runs[0] if abs(error[runs[0]]) < abs(error[runs[-1]]) else runs[-1])
        if len(runs) < count:
            break
        nodes = [grid[i] for i in runs]
    return p, max(abs(e) for e in error)


def removable(f: Function, at_zero: mpf) -> Function:
    """``f``, continued to 0 by the value it has there."""
    return lambda x: f(x) if abs(x) > mpf(2) ** -60 else at_zero


def erfcx(t: mpf) -> mpf:
    """(1 + 2a)·exp(a²)·erfc(a) with a = 3 (1 + t)/(1 - t)."""
    a = 3 * (1 + t) / (1 - t)
    return (1 + 2 * a) * exp(a * a) * erfc(a)


EIGHTH_TURN = (pi / 4 * (1 + mpf(2) ** -10)) ** 2
# f/(2 + f) at 1 + f = √2.
LARGEST_QUOTIENT = (sqrt(mpf(2)) - 1) / (sqrt(mpf(2)) + 1) * (1 + mpf(2) ** -10)
HALF_LN2 = log(2) / 2 * (1 + mpf(2) ** -20)
# name, function, weight, interval, degrees for f32 and f64
FITS = [
    # e^r = 1 + r + r²·p(r)
    ("EXP", removable(lambda r: (expm1(r) - r) / r**2, mpf(1) / 2), lambda r: r**2 + mpf(2) ** -60,
     (-HALF_LN2, HALF_LN2), (5, 9)),
    # ln(1 + f) = f - f²/2 + f³·p(f)
    ("LOG", removable(lambda f: (log1p(f) - f + f**2 / 2) / f**3, mpf(1) / 3), lambda f: f**2 + mpf(2) ** -60,
     (sqrt(mpf(1) / 2) - 1, sqrt(mpf(2)) - 1), (7, 18)),
    # sin(π/2·t) = t·p(t²)
    ("SIN", removable(lambda z: sin(pi / 2 * sqrt(z)) / sqrt(z), pi / 2), lambda _: mpf(1),
     (mpf(0), mpf(1) / 4), (3, 6)),
    # cos(π/2·t) = p(t²)
    ("COS", lambda z: cos(pi / 2 * sqrt(z)), lambda _: mpf(1), (mpf(0), mpf(1) / 4), (4, 7)),
    # sin(r) = r + r·z·p(z) with z = r²
    ("SINE", removable(lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z, mpf(-1) / 6), lambda z: z + mpf(2) ** -60,
     (mpf(0), EIGHTH_TURN), (2, 5)),
    # arctan(t) = t + t·z·p(z) with z = t²
    ("ATAN", removable(lambda z: (atan(sqrt(z)) / sqrt(z) - 1) / z, mpf(-1) / 3), lambda z: z + mpf(2) ** -60,
     (mpf(0), mpf(1)), (8, 19)),
    # artanh(q) = q (1 + z/3 + z²·p(z)) with z = q²
    ("ATANH", removable(lambda z: (atanh(sqrt(z)) / sqrt(z) - 1 - z / 3) / z**2, mpf(1) / 5),
     lambda z: z**2 + mpf(2) ** -80, (mpf(0), LARGEST_QUOTIENT**2), (2, 7)),
    # erf(x) = x + x·p(x²)
    ("ERF", removable(lambda z: erf(sqrt(z)) / sqrt(z) - 1, 2 / sqrt(pi) - 1), lambda _: mpf(1),
     (mpf(0), mpf(1) / 4), (4, 8)),
    # exp(a²)·erfc(a) = p((a - 3)/(a + 3))/(1 + 2a), down to where erfc(a) rounds to 0
    ("ERFCX_F32", erfcx, lambda t: 1 / erfcx(t), (mpf(-1), mpf(75) / 135), (10, 0)),
    ("ERFCX_F64", erfcx, lambda t: 1 / erfcx(t), (mpf(-1), mpf(246) / 306), (0, 24)),
    # cos(r) = 1 - z/2 + z²·p(z) with z = r²
    ("COSINE", removable(lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2, mpf(1) / 24), lambda z: z**2 + mpf(2) ** -60,
     (mpf(0), EIGHTH_TURN), (2, 5)),
]  # fmt: skip

if __name__ == "__main__":
    for index, (real, digits) in enumerate([("f32", 9), ("f64", 17)]):
        print(f"impl Coefficients for {real} {{")
        for name, f, weight, (low, high), degrees in FITS:
            p, error = remez(f, weight, low, high, degrees[index])
            print(f"    // Error at most 2^{nstr(log(error, 2), 4)}.")
            print(f"    const {name}: &'static [{real}] = &[{', '.join(nstr(c, digits) for c in p)}];")
        print("}")
