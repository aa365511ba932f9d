"""The kinds of wear, one data-only module each. May import recipe only.

Stages are handed a kind; they never look one up. A module put into this folder is a kind: it holds one KIND, and
nothing else has to know of it (docs/new-wear-kind.md).
"""

import importlib
from pathlib import Path

from ..recipe import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        importlib.import_module(f".{file.stem}", __name__).KIND
        for file in sorted(Path(__file__).parent.glob("[!_]*.py"))
    )
}
"""Name -> kind, in the order of their names."""
