"""Installs an extension zip into the Blender of this Python, enables it, disables it and enables it again.

    BLENDER_USER_RESOURCES=FOLDER python tools/try_zip.py ZIP FOLDER       run by tools/package.py

Checks that the bundled packages come from the zip and not from this environment, and that the default methods age an
object with what is in it, offline.
"""

import importlib
import sys
from pathlib import Path

import bpy

PACKAGE = "bl_ext.user_default.syngen"
BUNDLED = ("cv2", "OpenEXR", "PIL", "pycocotools.mask", "tomli_w")


def main(archive: str, resources: str) -> None:
    import addon_utils

    answer = bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
    assert answer == {"FINISHED"}, f"Blender's installer says {answer}"
    assert addon_utils.check(PACKAGE) == (True, True), "installed, but not enabled"
    addon_utils.disable(PACKAGE, default_set=True)
    assert addon_utils.check(PACKAGE) == (False, False), "disabled, but still there"
    errors: list[Exception] = []
    addon_utils.enable(PACKAGE, default_set=True, handle_error=errors.append)
    if errors:
        raise errors[0]
    # This environment's own copies would hide a wheel that is missing: let the zip's come first.
    site = str(Path(resources).resolve() / "extensions" / ".local")
    sys.path.insert(0, next(path for path in sys.path if path.startswith(site)))
    for name in BUNDLED:
        module = importlib.import_module(name)
        assert str(module.__file__).startswith(site), f"{name} comes from {module.__file__}, not from the zip"
    age()
    version = ".".join(map(str, sys.version_info[:2]))
    blender = f"Blender {bpy.app.version_string}, Python {version}"
    print(f"{Path(archive).name} installs, enables, disables, enables again and ages an object in {blender}")


def age() -> None:
    """Generate and use a variant on a plane, small and without a network."""
    assert not bpy.app.online_access, "this is to be tried offline"
    bpy.ops.mesh.primitive_plane_add()
    obj, material = bpy.context.object, bpy.data.materials.new("Paint")
    obj.data.materials.append(material)
    material.use_nodes = True
    nodes = material.node_tree.nodes
    texture, shader = nodes.new("ShaderNodeTexImage"), next(n for n in nodes if n.type == "BSDF_PRINCIPLED")
    texture.image = bpy.data.images.new("Paint", 64, 64)
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    settings = bpy.context.scene.syngen
    settings.texture.size, settings.texture.variants, settings.filters.enabled = 64, 1, False
    assert bpy.ops.syngen.generate() == {"FINISHED"}
    (made,) = importlib.import_module(f"{PACKAGE}.syngen_addon.blender.session").gallery(obj)
    assert bpy.ops.syngen.apply_variant(variant=made.variant.name) == {"FINISHED"}
    assert "syngen_level" in obj, "the default methods do not age an object"


main(*sys.argv[1:])
