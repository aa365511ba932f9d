"""Paths that a recipe names, on their way to those who work in another folder."""

from pathlib import Path

import bpy
import pytest

from tests.blender import helpers as h


@pytest.mark.parametrize("saved", [True, False])
def test_what_the_worker_is_given_holds_absolute_paths(addon, empty_scene, tmp_path: Path, saved: bool) -> None:
    box = h.box("Crate", (0, 0, 0), (1, 1, 1), h.material("Paint", h.painted("paint", 64)))
    if saved:
        h.save(tmp_path / "scene.blend")
    recipe = h.recipe(addon, {
        "transfer": {"style_image": "//photos/rust.png"},
        "diffusion": {"model": "~/models/sd", "lora": "loras/rust.safetensors", "style_image": "rust 2.png"},
        "neural": {"vgg": "//vgg.pth", "decoder": "owner/name:decoder.pth"},
    })  # fmt: skip
    found = addon("blender.ageing").gather(box, recipe, addon("kinds").KINDS["heavy_rust"]).recipe
    place = tmp_path if saved else Path.cwd()
    assert found.transfer.style_image == str(place / "photos" / "rust.png")
    assert found.neural.vgg == str(place / "vgg.pth")
    assert found.diffusion.model == str(Path.home() / "models" / "sd")
    assert found.diffusion.lora == str(Path.cwd() / "loras" / "rust.safetensors")
    assert found.diffusion.style_image == str(Path.cwd() / "rust 2.png")
    assert found.neural.decoder == "owner/name:decoder.pth", "a name on the hub is no path"
    assert found.diffusion.control_model == ""
    assert bpy.data.filepath == (str(tmp_path / "scene.blend") if saved else "")
