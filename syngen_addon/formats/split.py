"""Which split a frame belongs to: what formats know of it. Imports splits only."""

from ..splits import SPLITS, split_of

__all__ = ["SPLITS", "split_of"]
