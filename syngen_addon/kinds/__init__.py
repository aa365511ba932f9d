"""The kinds of wear, one data-only module each. May import recipe only.

Stages are handed a kind; they never look one up.
"""

from ..recipe import Kind
from . import heavy_rust, light_rust, rust_streaks

KINDS: dict[str, Kind] = {module.KIND.name: module.KIND for module in (light_rust, heavy_rust, rust_streaks)}
