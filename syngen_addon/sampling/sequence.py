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
WORST = {1: 4, 2: 16, 3: 16, 4: 16, 5: 16, 8: 16, 10: 16}
"""By stride: no partial quotient of the continued fraction of that multiple of a step is larger, down to gaps
of 1/4096. The strides are usual numbers of shards, and the shares of val and test."""
BATCH = 2048
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
    """(shift, step) of a sequence. One step in a few thousand is even enough; a millisecond finds it."""
    rng = generator(seed, name)
    shift = int(rng.integers(ONE, dtype=np.uint64, endpoint=False))
    while True:
        steps = rng.integers(ONE, size=BATCH, dtype=np.uint64, endpoint=False)
        for stride, worst in WORST.items():
            steps = steps[
                _quotients_below(steps * np.uint64(stride), worst)
            ]  # uint64 wraps around: without whole parts
        if len(steps):
            return shift, int(steps[0])


def _quotients_below(
    steps: "np.ndarray[Any, np.dtype[np.uint64]]", worst: int
) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Of which steps the continued fraction has no quotient over worst while its denominators are under 4096."""
    rest = steps / float(ONE)
    before, denominator = np.zeros(len(rest)), np.ones(len(rest))
    good = np.ones(len(rest), bool)
    while (going := good & (denominator < 4096)).any():
        good &= ~going | (rest >= 1 / (worst + 1))
        quotient, rest = np.divmod(1 / np.maximum(rest, 1e-9), 1.0)
        before, denominator = denominator, np.minimum(quotient * denominator + before, 1e9)
    return good
