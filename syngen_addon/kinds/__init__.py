"""The kinds of wear, one data-only module each. May import recipe only.

Stages are handed a kind; they never look one up. A module put into this folder is a kind: it holds one KIND, and
nothing else has to know of it (docs/new-wear-kind.md).
"""

import importlib
import pkgutil

from ..recipe import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        importlib.import_module(f".{module.name}", __name__).KIND
        for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name)
    )
}
"""Name -> kind, in the order of their names."""
