"""A small request for variants, and what a folder holds."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from syngen_addon.kinds import KINDS
from syngen_addon.recipe import from_dict
from syngen_addon.variants import Request, SlotInput
from syngen_addon.wear.mesh import MeshArrays

RECIPE = {"texture": {"size": 64, "variants": 2}, "filters": {"enabled": False}}


def sheet(slots: int = 1) -> MeshArrays:
    """Upright squares of a metre side by side, one a slot, each over the whole texture."""
    vertices, triangles, uvs, slot_of = [], [], [], []
    for slot in range(slots):
        first = len(vertices)
        vertices += [(2 * slot, 0, 0), (2 * slot + 1, 0, 0), (2 * slot + 1, 0, 1), (2 * slot, 0, 1)]
        triangles += [(first, first + 1, first + 2), (first, first + 2, first + 3)]
        uvs += [[(0, 0), (1, 0), (1, 1)], [(0, 0), (1, 1), (0, 1)]]
        slot_of += [slot, slot]
    return MeshArrays(
        np.array(vertices, np.float32),
        np.array(triangles, np.int32),
        np.array(uvs, np.float32),
        np.array(slot_of, np.int32),
    )


def request(
    name: str = "Sheet", slots: int = 1, changes: dict[str, dict[str, Any]] | None = None, **more: Any
) -> Request:
    rng = np.random.default_rng(0)
    document = {s: {**RECIPE.get(s, {}), **(changes or {}).get(s, {})} for s in {*RECIPE, *(changes or {})}}
    inputs = tuple(SlotInput(i, (0.4 + 0.05 * rng.random((64, 64, 3))).astype(np.float32), None) for i in range(slots))
    return dataclasses.replace(Request(name, sheet(slots), inputs, KINDS["heavy_rust"], from_dict(document)), **more)


def contents(gallery: Path) -> dict[str, bytes]:
    return {str(p.relative_to(gallery)): p.read_bytes() for p in sorted(gallery.rglob("*")) if p.is_file()}
