"""Draws that cover their range evenly, frame after frame; and the middle of a range in place of a draw. Imports seeds,
numpy.

An additive recurrence (Kronecker sequence): the n-th number is shift + n * step, without its whole part. For a step
that fractions approximate badly, any run of n numbers leaves no gap much larger than 1/n, and so does every s-th of
them, since s * step is such a step again: what a shard renders, or what falls into a split, covers the range as well. A
sequence in base 2 (Sobol) would not: every second number of it lies in one half. In several dimensions the steps are
square roots of primes. (R. D. Richtmyer, "The evaluation of definite integrals, and a quasi-Monte-Carlo method based on
the properties of algebraic numbers", 1951; H. Niederreiter, "Random Number Generation and Quasi-Monte Carlo Methods",
1992, chapter 3.) The shift is drawn (Cranley and Patterson, 1976), so that seeds differ.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.random import Generator

from ..seeds import generator

ONE = 2**64
"""Numbers are kept as whole 2^-64ths: exact for any frame, the same on any machine."""
PRIMES = (151, 293, 61, 181)
"""Of those under 400 the four with the least discrepancy, of all runs of 16 to 320 numbers and of every second to tenth
of them: first of two dimensions together, then of four."""
STRIDES = (1, 2, 3, 4, 5, 8, 10)
"""Every so manieth number is even as well: usual numbers of shards, and the shares of val and test."""
WORST = 16
"""No partial quotient of a step's continued fraction, or of its multiples', is larger, down to gaps of 1/4096."""
STEPS = tuple(math.isqrt(prime << 128) % ONE for prime in PRIMES)


def point(seed: int, name: str, n: int) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """The n-th point of a sequence in as many dimensions as there are PRIMES; each number in [0, 1)."""
    return np.array([_number(shift, n, step) for shift, step in zip(_shifts(seed, name), STEPS, strict=True)])


def even(seed: int, name: str, n: int) -> float:
    """The n-th number of a sequence with a step of its own: sequences of different names are independent."""
    shift, step = _own(seed, name)
    return _number(shift, n, step)


class Middle:
    """In place of a Generator: every draw is the middle of its range."""

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        return (low + high) / 2

    def integers(self, low: int, high: int | None = None) -> int:
        """As Generator.integers; of an even number of values the lower of the middle two."""
        first, last = (0, low - 1) if high is None else (low, high - 1)
        return (first + last) // 2


Chance = Generator | Middle


def _number(shift: int, n: int, step: int) -> float:
    return ((shift + n * step) % ONE >> 11) / 2**53  # all of a float's 53 bits, and never 1


@lru_cache(maxsize=4096)
def _shifts(seed: int, name: str) -> tuple[int, ...]:
    return tuple(int(n) for n in generator(seed, name).integers(ONE, size=len(PRIMES), dtype=np.uint64, endpoint=False))


@lru_cache(maxsize=65536)
def _own(seed: int, name: str) -> tuple[int, int]:
    """(shift, step) of a sequence. One step in a few thousand is even enough; it is soon found."""
    rng = generator(seed, name)
    shift = int(rng.integers(ONE, dtype=np.uint64, endpoint=False))
    while True:
        step = int(rng.integers(ONE, dtype=np.uint64, endpoint=False))
        if all(_quotients_below(stride * step % ONE / ONE) for stride in STRIDES):
            return shift, step


def _quotients_below(step: float) -> bool:
    """Whether the step's continued fraction has no quotient over WORST while its denominators are under 4096."""
    before, denominator = 0, 1
    while denominator < 4096:
        if step < 1 / (WORST + 1):
            return False
        quotient, step = divmod(1 / step, 1.0)
        before, denominator = denominator, int(quotient) * denominator + before
    return True
