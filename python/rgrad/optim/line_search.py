"""A line search for the strong Wolfe conditions."""

import math
from collections.abc import Callable
from typing import NamedTuple

from rgrad._core import Tensor

#: The constants of the two conditions: sufficient decrease (Armijo) and curvature.
DECREASE, CURVATURE = 1e-4, 0.9
MAX_EVALUATIONS = 25


class Point(NamedTuple):
    """The function at step length ``t`` along the line: its value, gradient and directional derivative."""

    t: float
    f: float
    g: Tensor
    slope: float


def strong_wolfe(
    evaluate: Callable[[float], Point], start: Point, t: float, size: float, tolerance: float
) -> tuple[Point, int]:
    """Searches along a line for a step length that satisfies the strong Wolfe conditions.

    f(t) ≤ f(0) + 10⁻⁴ · t · f′(0) and |f′(t)| ≤ 0.9 · |f′(0)|. The step grows until such points are bracketed, then the
    bracket shrinks by cubic interpolation: Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6, with the
    safeguards of Schmidt's minFunc, as in PyTorch. Infinite values count as too large.

    Args:
        evaluate: Evaluates the function at a step length.
        start: The function at 0; its directional derivative must be negative.
        t: The initial step length.
        size: Largest magnitude of an entry of the direction.
        tolerance: The search stops once no coordinate changes by as much within the bracket.

    Returns:
        The best point found, which satisfies the conditions unless the evaluations ran out or the bracket became too
        small, and the number of evaluations.
    """
    before, now = start, evaluate(t)
    for count in range(MAX_EVALUATIONS):
        risen = _too_high(now, start) or (count > 1 and now.f >= before.f)
        if not risen and _flat(now, start):
            return now, count + 1
        if risen or now.slope >= 0:
            return _zoom(evaluate, start, [before, now], count, size, tolerance)
        t = _cubic(before, now, now.t + 0.01 * (now.t - before.t), now.t * 10)
        before, now = now, evaluate(t)
    return (start if start.f <= now.f else now), MAX_EVALUATIONS + 1


def _zoom(
    evaluate: Callable[[float], Point], start: Point, ends: list[Point], count: int, size: float, tolerance: float
) -> tuple[Point, int]:
    """Shrinks a bracket, after ``count + 1`` evaluations."""
    low = 0 if ends[0].f <= ends[1].f else 1
    stalled = False
    while count < MAX_EVALUATIONS:
        left, right = sorted((ends[0].t, ends[1].t))
        if (right - left) * size < tolerance:
            break
        t = _cubic(ends[0], ends[1], left, right)
        # Twice in a row near an end, or once at an end, is no progress: step a tenth of the bracket away from it.
        margin = 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (stalled or not left < t < right):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near = False
        stalled = near
        now = evaluate(t)
        count += 1
        if _too_high(now, start) or now.f >= ends[low].f:
            ends[1 - low] = now
            low = 0 if ends[0].f <= ends[1].f else 1
            continue
        if _flat(now, start):
            return now, count + 1
        if now.slope * (ends[1 - low].t - ends[low].t) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = now
    return ends[low], count + 1


def _too_high(now: Point, start: Point) -> bool:
    return now.f > start.f + DECREASE * now.t * start.slope


def _flat(now: Point, start: Point) -> bool:
    return abs(now.slope) <= -CURVATURE * start.slope


def _cubic(a: Point, b: Point, low: float, high: float) -> float:
    """Minimizes the cubic through values and slopes at two points, in [low, high]: Nocedal and Wright, (3.59)."""
    if a.t > b.t:
        a, b = b, a
    if b.t == a.t or not (math.isfinite(a.f) and math.isfinite(b.f)):
        return (low + high) / 2
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not 0 <= square < math.inf:
        return (low + high) / 2
    d2 = math.sqrt(square)
    divisor = b.slope - a.slope + 2 * d2
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / divisor) if divisor else math.nan
    return min(max(t, low), high) if math.isfinite(t) else (low + high) / 2
