"""What an amount of wear is called. Imports recipe."""

from ..recipe import Kind, Wear


def wear_class(level: float, kind: Kind, settings: Wear) -> str:
    """The wear class at a level (0 to 1): "" while clean, then the kind's own class where it has one,

    else "complete" from `settings.complete_from` on and "default" below.
    """
    if level < settings.clean_below:
        return ""
    if kind.wear_class:
        return kind.wear_class
    return "complete" if level >= settings.complete_from else "default"
