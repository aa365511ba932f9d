"""Numbers as records and the files made from them hold them. Imports the standard library only."""

from collections.abc import Iterable


def nine(value: float) -> float:
    """Nine digits, which is what a float32 holds; never -0."""
    return float(f"{value:.9g}") + 0.0


def nines(values: Iterable[float]) -> list[float]:
    """Each with nine digits. Of arrays give .tolist(), which is several times as fast."""
    return [nine(value) for value in values]
