"""The kinds of wear, one data-only module each. May import recipe only.

Stages are handed a kind; they never look one up. A module put into this folder is a kind: it holds one KIND of the
file's name, and nothing else has to know of it (docs/new-wear-kind.md).
"""

import importlib
from pathlib import Path

from ..recipe import Kind


def _kind(file: Path) -> Kind:
    """What a file holds. Raises ImportError that names the file and what is wrong with it."""
    try:
        kind = importlib.import_module(f".{file.stem}", __name__).KIND
    except (SyntaxError, TypeError, NameError, AttributeError) as error:
        raise ImportError(f"kinds/{file.name} is no kind of wear: {error}. Mend the file, or remove it.") from error
    if not isinstance(kind, Kind) or kind.name != file.stem:
        raise ImportError(f'kinds/{file.name} must hold KIND = Kind(name="{file.stem}", ...). Mend it, or remove it.')
    return kind


# No glob: its pattern would be compiled each time the extension is enabled, which takes as long as three kinds.
_FILES = sorted(file for file in Path(__file__).parent.iterdir() if file.suffix == ".py" and file.name[0] != "_")
KINDS: dict[str, Kind] = {file.stem: _kind(file) for file in _FILES}
"""Name -> kind, in the order of their names."""
