"""The panel's choice of methods: what is shown in every state, what each button does, and the sweep over weights."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import cv2
import numpy as np
import pytest

from tests.blender.helpers import box, material, painted

pytestmark = pytest.mark.versions

PANELS = (
    "SYNGEN_PT_texture",
    "SYNGEN_PT_diffusion",
    "SYNGEN_PT_diffusion_base",
    "SYNGEN_PT_diffusion_steps",
    "SYNGEN_PT_diffusion_style",
    "SYNGEN_PT_diffusion_tries",
    "SYNGEN_PT_diffusion_memory",
    "SYNGEN_PT_neural",
    "SYNGEN_PT_neural_weights",
)


class Layout:
    """A layout that knows what it may be asked for: properties, operators and menus have to exist."""

    def __init__(self, seen: "Layout | None" = None) -> None:
        self.drawn: list[tuple[Any, ...]] = [] if seen is None else seen.drawn

    def _part(self, *_: Any, **__: Any) -> "Layout":
        return Layout(self)

    row = column = box = split = _part

    def separator(self, factor: float = 1.0) -> None:
        pass

    def prop(self, owner: Any, name: str, *, text: str | None = None, **options: Any) -> None:
        about = owner.bl_rna.properties[name]
        known = bpy.types.UILayout.bl_rna.functions["prop"].parameters.keys()
        assert set(options) <= set(known), options
        self.drawn.append(("prop", f"{type(owner).__name__}.{name}", about.name if text is None else text, options))

    def prop_search(self, owner: Any, name: str, *_: Any) -> None:
        self.prop(owner, name)

    def operator(self, name: str, *, text: str | None = None, icon: str = "NONE", depress: bool = False) -> Any:
        module, _, function = name.partition(".")
        known = getattr(getattr(bpy.ops, module), function).get_rna_type().properties.keys()
        _icon(icon)
        shown = SimpleNamespace()
        self.drawn.append(("operator", name, text, shown))

        class Options:
            def __setattr__(self, key: str, value: Any) -> None:
                assert key in known, (name, key)
                setattr(shown, key, value)

        return Options()

    def menu(self, name: str, *, text: str) -> None:
        assert issubclass(getattr(bpy.types, name), bpy.types.Menu)
        self.drawn.append(("menu", name, text))

    def label(self, *, text: str, icon: str = "NONE") -> None:
        _icon(icon)
        self.drawn.append(("label", text))

    def progress(self, *, factor: float, text: str, type: str) -> None:
        self.drawn.append(("progress", factor, text))

    def template_icon(self, *, icon_value: int, scale: float) -> None:
        self.drawn.append(("icon", icon_value))

    # What a test asks.

    def properties(self) -> set[str]:
        return {d[1].removeprefix("SYNGEN_PG_") for d in self.drawn if d[0] == "prop"}

    def operators(self) -> dict[str, Any]:
        return {d[1]: d[3] for d in self.drawn if d[0] == "operator"}

    def text(self) -> str:
        return " ".join(d[1] for d in self.drawn if d[0] == "label")


def _icon(name: str) -> None:
    assert name in bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items, name


def drawn(addon, *names: str) -> Layout:
    """Every panel that is shown (or those of these names), as a window would draw it."""
    layout = Layout()
    for name in sorted(shown() & set(names or PANELS), key=PANELS.index):
        getattr(bpy.types, name).draw(SimpleNamespace(layout=layout), bpy.context)
    return layout


def shown() -> set[str]:
    """Names of the panels that are drawn: their own poll and their parents' let them."""

    def polls(name: str) -> bool:
        cls = getattr(bpy.types, name)
        return getattr(cls, "poll", lambda context: True)(bpy.context) and (
            not getattr(cls, "bl_parent_id", "") or polls(cls.bl_parent_id)
        )

    return set(filter(polls, PANELS))


@pytest.fixture
def scene(empty_scene: bpy.types.Scene, tmp_path: Path) -> bpy.types.Scene:
    """A crate that can be aged, in a saved file with small settings."""
    crate = box("Crate", (0, 0, 0), (1, 1, 1), material("Paint", painted("Base", 128)))
    bpy.context.view_layer.objects.active = crate
    crate.select_set(True)
    settings = empty_scene.syngen
    settings.texture.size, settings.texture.variants = 64, 1
    settings.filters.enabled = False
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    return empty_scene


@pytest.fixture(autouse=True)
def own_folders(addon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No worker, no weights and no kept prompts of this machine's."""
    worker, prompts = addon("blender.worker"), addon("blender.prompts")
    monkeypatch.delenv(worker.VARIABLE, raising=False)
    monkeypatch.setattr(worker, "home", lambda: tmp_path / "worker")
    monkeypatch.setattr(prompts, "folder", lambda: tmp_path / "prompts")
    prompts.forget()
    yield
    prompts.forget()
    worker.choose(None)


@pytest.fixture
def set_up(addon, tmp_path: Path) -> Path:
    """A Python for the worker that is never started."""
    python = tmp_path / "python"
    python.write_text("")
    addon("blender.worker").choose(python)
    return python


@pytest.fixture
def weights(scene: bpy.types.Scene) -> None:
    """Weights that are never loaded."""
    scene.syngen.neural.vgg, scene.syngen.neural.decoder = "/somewhere/vgg.pth", "/somewhere/decoder.pth"


class Mixer:
    """In place of the worker: style transfer as a mix of content and the style's mean, and plain measures."""

    def run(self, job: Any, *, progress: Any, preview: Any = None, should_stop: Any = None) -> dict[str, Any]:
        progress(0.5, "Half")
        kind = type(job).__name__
        if kind == "Resolve":
            return {"path": job.model, "identity": job.model, "files": []}
        content = cv2.imread(job.content).astype(np.float32)
        mean = cv2.imread(job.style).mean(axis=(0, 1))
        if kind == "Stylise":
            share = job.style_weight / (job.style_weight + job.content_weight)
            cv2.imwrite(job.out, (content * (1 - share) + mean * share).astype(np.uint8))
            preview(Path(job.out))
            return {"picture": job.out}
        assert kind == "Measure"
        pictures = [cv2.imread(p).astype(np.float32) for p in job.pictures]
        return {
            "structure": [float(1 - abs(p - content).mean() / 255) for p in pictures],
            "style": [float(abs(p.mean(axis=(0, 1)) - mean).mean() / 100) for p in pictures],
        }


@pytest.fixture
def mixer(addon, set_up: Path, weights: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addon("blender.worker"), "get", Mixer)


# --- which panels ----------------------------------------------------------------------------------------------------


def test_the_default_shows_the_choice_and_nothing_more(addon, scene: bpy.types.Scene) -> None:
    assert shown() == {"SYNGEN_PT_texture"}
    layout = drawn(addon)
    assert {"texture.method", "transfer.method", "wear.kind"} <= layout.properties()
    assert "syngen.set_up" not in layout.operators() and layout.text() == ""
    assert bpy.ops.syngen.generate.poll()


@pytest.mark.parametrize("texture", ["procedural", "diffusion"])
@pytest.mark.parametrize("transfer", ["patch", "gatys", "adain", "diffusion"])
@pytest.mark.parametrize("ready", [False, True])
def test_every_state_can_be_drawn(
    addon, scene: bpy.types.Scene, tmp_path: Path, texture: str, transfer: str, ready: bool
) -> None:
    if ready:
        addon("blender.worker").choose(__file__)
    settings = scene.syngen
    settings.texture.method, settings.transfer.method = texture, transfer
    layout = drawn(addon)
    properties = layout.properties()
    neural, diffusion = transfer in ("gatys", "adain"), "diffusion" in (texture, transfer)
    assert ("neural.content_weight" in properties) == neural
    assert ("neural.steps" in properties) == (transfer == "gatys")
    assert ("neural.decoder" in properties) == (transfer == "adain")
    assert ("diffusion.prompt" in properties) == diffusion
    assert ("diffusion.strength" in properties) == (transfer == "diffusion")
    assert ("syngen.set_up" in layout.operators()) == ((neural or diffusion) and not ready)
    assert ("syngen.sweep" in layout.operators()) == neural
    assert bpy.ops.syngen.generate.poll() == (not (neural or diffusion) or (ready and not neural))


def test_every_setting_of_a_method_stands_in_the_panel(addon, scene: bpy.types.Scene) -> None:
    settings, found = scene.syngen, set()
    settings.diffusion.control, settings.diffusion.control_model = "tile", "owner/name"
    for transfer in ("gatys", "adain", "diffusion"):
        settings.texture.method, settings.transfer.method = "diffusion", transfer
        found |= drawn(addon).properties()
    wanted = {f"{s}.{n}" for s, n, _, _ in addon("blender.settings").every_key() if s in ("neural", "diffusion")}
    assert wanted | {"transfer.style_image"} <= found


def test_names_fit_the_sidebar(addon, scene: bpy.types.Scene) -> None:
    """Beside a value there is room for 14 letters at the sidebar's default width; a slider has the whole row."""
    settings = scene.syngen
    settings.diffusion.control, settings.diffusion.control_model = "tile", "owner/name"
    for transfer in ("gatys", "adain", "diffusion"):
        settings.texture.method, settings.transfer.method = "diffusion", transfer
        for kind, name, text, *_ in (d for d in drawn(addon).drawn if d[0] == "prop"):
            assert len(text) <= 14, (kind, name, text)


# --- what is missing -------------------------------------------------------------------------------------------------


def test_without_a_worker_panel_and_button_say_so(addon, scene: bpy.types.Scene) -> None:
    scene.syngen.transfer.method = "adain"
    layout = drawn(addon, "SYNGEN_PT_texture")
    assert "Stable Diffusion and neural style transfer are not set up." in layout.text()
    assert layout.operators()["preferences.addon_show"].module == "bl_ext.user_default.syngen"
    assert not bpy.ops.syngen.generate.poll()
    with pytest.raises(RuntimeError, match="are not set up"):
        bpy.ops.syngen.generate()


def test_without_weights_the_panel_offers_them(addon, scene: bpy.types.Scene, set_up: Path) -> None:
    scene.syngen.transfer.method = "gatys"
    layout = drawn(addon)
    assert "weights for neural style transfer are not here" in layout.text()
    assert "syngen.get_weights" in layout.operators() and "syngen.set_up" not in layout.operators()
    scene.syngen.neural.vgg = "/somewhere/vgg.pth"
    assert "not here" not in drawn(addon).text() and bpy.ops.syngen.generate.poll()


def test_a_setting_that_is_not_allowed_is_told(addon, scene: bpy.types.Scene, set_up: Path) -> None:
    scene.syngen.transfer.method, scene.syngen.diffusion.control = "diffusion", "depth"
    assert "needs diffusion.control_model" in drawn(addon).text()
    assert not bpy.ops.syngen.generate.poll()


def test_the_models_button_fetches_that_model(addon, scene: bpy.types.Scene, set_up: Path) -> None:
    scene.syngen.texture.method, scene.syngen.diffusion.model = "diffusion", "owner/name"
    button = drawn(addon, "SYNGEN_PT_diffusion").operators()["syngen.get_model"]
    assert (button.model, button.role) == ("owner/name", "pipeline")


# --- prompts ---------------------------------------------------------------------------------------------------------


def placeholders(addon) -> tuple[str, str]:
    found = {d[1]: d[3] for d in drawn(addon, "SYNGEN_PT_diffusion").drawn if d[0] == "prop"}
    return tuple(found[f"SYNGEN_PG_diffusion.{n}"]["placeholder"] for n in ("prompt", "negative"))


def test_an_empty_prompt_shows_what_it_stands_for(addon, scene: bpy.types.Scene) -> None:
    settings = scene.syngen
    settings.texture.method, settings.diffusion.material = "diffusion", "zinc sheet"
    prompt, negative = placeholders(addon)
    assert "zinc sheet" in prompt and "seamless" in prompt and "watermark" in negative
    settings.texture.method, settings.transfer.method = "procedural", "diffusion"
    assert "seams and rivets" in placeholders(addon)[0]
    settings.diffusion.prompt = "a {typo}"  # is not what the placeholder is made from
    assert "zinc sheet" in placeholders(addon)[0]


def test_prompts_are_kept_used_and_removed(addon, scene: bpy.types.Scene, tmp_path: Path) -> None:
    settings = scene.syngen.diffusion
    scene.syngen.texture.method = "diffusion"
    assert ("menu", "SYNGEN_MT_prompts", "Made from the Kind") in drawn(addon).drawn
    settings.prompt, settings.negative = "flaking {kind}", "sky"
    assert ("menu", "SYNGEN_MT_prompts", "Prompts") in drawn(addon).drawn
    assert bpy.ops.syngen.save_prompt(name="Flakes") == {"FINISHED"}
    assert (tmp_path / "prompts" / "prompts.json").is_file()
    assert ("menu", "SYNGEN_MT_prompts", "Flakes") in drawn(addon).drawn
    assert bpy.ops.syngen.use_prompt(name="Macro Photograph") == {"FINISHED"}
    assert settings.prompt.startswith("macro photograph of {kind}") and "sky" not in settings.negative
    assert not bpy.ops.syngen.remove_prompt.poll()  # it is built in
    menu = Layout()
    bpy.types.SYNGEN_MT_prompts.draw(SimpleNamespace(layout=menu), bpy.context)
    assert [d[2] for d in menu.drawn][-2:] == ["Weathered Outdoors", "Flakes"]
    bpy.ops.syngen.use_prompt(name="Flakes")
    assert (settings.prompt, settings.negative) == ("flaking {kind}", "sky")
    assert bpy.ops.syngen.remove_prompt(name="Flakes") == {"FINISHED"}
    assert (settings.prompt, settings.negative) == ("flaking {kind}", "sky")
    assert not bpy.ops.syngen.remove_prompt.poll() and "Flakes" not in addon("blender.prompts").kept()


def test_what_nothing_typed_stands_for_can_be_kept_and_edited(addon, scene: bpy.types.Scene) -> None:
    scene.syngen.texture.method = "diffusion"
    prompt, negative = placeholders(addon)
    bpy.ops.syngen.save_prompt(name="Mine")
    bpy.ops.syngen.use_prompt(name="Mine")
    assert (scene.syngen.diffusion.prompt, scene.syngen.diffusion.negative) == (prompt, negative)


def test_prompts_that_cannot_be_are_refused(addon, scene: bpy.types.Scene, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no prompt called 'None such'"):
        bpy.ops.syngen.use_prompt(name="None such")
    with pytest.raises(RuntimeError, match="built in"):
        bpy.ops.syngen.save_prompt(name="Macro Photograph")
    scene.syngen.texture.method = "diffusion"
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "prompts.json").write_text("{broken")
    addon("blender.prompts").forget()
    assert ("menu", "SYNGEN_MT_prompts", "Prompts") in drawn(addon).drawn
    with pytest.raises(RuntimeError, match=r"prompts\.json are damaged"):
        bpy.ops.syngen.save_prompt(name="Flakes")


# --- live preview ----------------------------------------------------------------------------------------------------


def test_the_live_picture_follows_its_file_and_goes_with_the_work(addon, tmp_path: Path) -> None:
    previews = addon("blender.previews")
    path = tmp_path / "preview.png"
    assert previews.live(None) == 0 and previews.live(path) == 0
    cv2.imwrite(str(path), np.full((300, 600, 3), (0, 0, 255), np.uint8))
    icon = previews.live(path)  # without a window an icon has no number
    picture = previews._icons[previews.LIVE]
    assert tuple(picture.image_size) == (256, 128)
    assert tuple(picture.image_pixels_float[:4]) == pytest.approx((1, 0, 0, 1), abs=0.01)
    half = np.full((200, 200, 3), (255, 0, 0), np.uint8)
    half[:100] = (0, 255, 0)  # the upper half green: Blender's pixels start at the bottom
    cv2.imwrite(str(path), half)
    assert previews.live(path) == icon and tuple(picture.image_size) == (200, 200)
    assert tuple(picture.image_pixels_float[:4]) == pytest.approx((0, 0, 1, 1), abs=0.01)
    path.write_bytes(b"half a picture")
    assert previews.live(path) == icon, "the last one stays until the next is whole"
    count = len(previews._icons)
    previews.forget_live()
    assert len(previews._icons) == count - 1 and previews.LIVE not in previews._icons
    previews.forget_live()


def test_the_panel_shows_the_live_picture_under_the_progress(
    addon, scene: bpy.types.Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, session = tmp_path / "preview.png", addon("blender.session")
    text = "Transfer 1 of 2: step 5 of 20"
    work = SimpleNamespace(
        preview=path, fraction=0.25, text=text, stopping=False, seconds_left=61.0, names=["Drum"], layer=True,
        coming=lambda name, there: 3,
    )  # fmt: skip
    monkeypatch.setattr(session, "live_icon", lambda picture: 7 if picture == path else 0)
    with monkeypatch.context() as patch:
        patch.setattr(session.now, "generation", work)
        layout = drawn(addon, "SYNGEN_PT_texture")
    found = [d for d in layout.drawn if d[0] in ("icon", "progress")]
    blank = addon("panels.texture").BLANK
    places = [("icon", blank)] * 3  # those to come have theirs from the start
    assert found == [("progress", 0.25, "Transfer 1 of 2"), ("icon", 7), *places]


# --- the sweep -------------------------------------------------------------------------------------------------------


def test_the_sweep_operator_does_what_the_function_does(
    addon, scene: bpy.types.Scene, tmp_path: Path, mixer: None
) -> None:
    scene.syngen.transfer.method = "adain"
    crate = bpy.context.object
    before = list(crate.data.uv_layers.keys())
    weights = {"content": (0.5, 1.0, 2.0), "style": (0.1, 1.0, 5.0, 20.0)}
    assert bpy.ops.syngen.sweep(**weights, size=64) == {"FINISHED"}
    session = addon("blender.session")
    made = Path(session.now.sweep_sheet)
    assert made.is_relative_to(tmp_path / "syngen") and made.name == "heavy_rust-adain.png"
    assert list(crate.data.uv_layers.keys()) == before

    sweep, variants = addon("sweep"), addon("variants")
    recipe = addon("blender.settings").recipe_of(scene)
    request = addon("blender.ageing").gather(crate, recipe, addon("kinds").KINDS["heavy_rust"])
    tools = addon("methods").Tools(Mixer(), "/somewhere/vgg.pth", "/somewhere/decoder.pth")
    grid = sweep.Grid(weights["content"], weights["style"])
    result = sweep.run(request, tmp_path / "other", tools=tools, grid=grid, size=64)
    for suffix in (".png", ".csv", "-plot.png"):
        own = made.with_name(made.name.removesuffix(".png") + suffix)
        same = result.path.with_name(result.path.name.removesuffix(".png") + suffix)
        assert own.read_bytes() == same.read_bytes(), suffix
    assert variants.list_variants(tmp_path / "syngen", "Crate") == [], "a sheet is no variant"
    assert "syngen.show_sweep" in drawn(addon, "SYNGEN_PT_neural").operators()


def test_a_mesh_without_uvs_is_as_it_was_after_a_sweep(
    addon, scene: bpy.types.Scene, tmp_path: Path, mixer: None
) -> None:
    scene.syngen.transfer.method = "adain"
    crate = bpy.context.object
    crate.data.uv_layers.remove(crate.data.uv_layers[0])
    bpy.ops.syngen.sweep(size=64)
    assert not crate.data.uv_layers


def test_the_method_can_be_another_than_the_panels(addon, scene: bpy.types.Scene, mixer: None) -> None:
    scene.syngen.transfer.method = "patch"
    with pytest.raises(RuntimeError, match="Only neural transfer has weights"):
        bpy.ops.syngen.sweep(size=64)
    assert bpy.ops.syngen.sweep(method="adain", size=64) == {"FINISHED"}


def test_in_the_window_a_sweep_is_followed_and_can_be_stopped(
    addon, scene: bpy.types.Scene, tmp_path: Path, mixer: None
) -> None:
    scene.syngen.transfer.method = "adain"
    session, module = addon("blender.session"), addon("blender.sweep")
    recipe = addon("blender.settings").recipe_of(scene)

    def started(cancelled: bool) -> tuple[set[str], SimpleNamespace]:
        work = module.Sweep(bpy.context.object, recipe, tmp_path / "g", grid=module.Grid((1.0,), (1.0,)), size=64)
        told: list[Any] = []
        cls = addon("operators.sweep").SYNGEN_OT_sweep
        operator = SimpleNamespace(work=work, told=told, report=lambda kind, text: told.append((*kind, text)))
        operator._end = lambda context: setattr(operator, "ended", True)
        operator._runs, operator._ended = partial(cls._runs, operator), partial(cls._ended, operator)
        session.now.sweep = work
        if cancelled:
            assert cls.modal(operator, bpy.context, SimpleNamespace(type="ESC", value="PRESS")) == {"RUNNING_MODAL"}
        else:
            assert ("progress", 0.0, "Starting") in drawn(addon, "SYNGEN_PT_neural").drawn
        work.start()
        work.join()
        return cls.modal(operator, bpy.context, SimpleNamespace(type="TIMER", value="NOTHING")), operator

    try:
        assert started(True)[0] == {"CANCELLED"}
        assert not (tmp_path / "g").exists()
        state, operator = started(False)
        assert state == {"FINISHED"} and operator.ended
        assert operator.work.preview is not None and operator.told[0][1].endswith("heavy_rust-adain.png.")
        assert not bpy.ops.syngen.generate.poll(), "the worker does one thing at a time"
    finally:
        session.now.sweep, session.now.sweep_sheet = None, ""


def test_a_recipe_without_worker_is_never_asked_for_one(
    addon, scene: bpy.types.Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addon("blender.worker"), "check_python", lambda: pytest.fail("asked"))
    assert bpy.ops.syngen.generate.poll()
    assert addon("blender.session").lack(scene).message == ""
