"""The demo's three objects: their shapes and their paint. Imports modelling, painting and numpy only, never bpy.

Each `*_shape` returns a Model in metres, standing on z = 0 with its front towards -Y; each `*_paint` fills its
canvases. Markings are set in metres on the islands that the model names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from examples import modelling as m
from examples import painting as p
from examples.modelling import Floats, Model
from examples.painting import Canvas, Color

FRONT = 1.5 * np.pi
"""The angle of -Y about z, counter-clockwise from +X."""

Paint = Callable[[Sequence[Canvas], np.random.Generator], None]


@dataclass(frozen=True)
class Thing:
    """One object of the demo: what it is called, its shape, its paint, its atlas and where it stands."""

    name: str
    object_class: str
    shape: Callable[[], Model]
    paint: Paint
    size: int
    dust: Color
    dirt: float
    place: tuple[float, float, float]
    """x, y in metres and the turn about z in degrees."""
    slots: tuple[str, ...] = ("Paint",)
    height: float = 0.0
    """What it stands on, over the yard."""
    roughness: float = 0.42


# --- pieces that all of them use --------------------------------------------------------------------------------------


def bolt(model: Model, name: str, frame: Floats, across: float) -> None:
    """A nut with the end of its stud, standing on z = 0 of the frame; across: its width over flats."""
    a = np.radians(np.arange(6) * 60)
    outline = np.stack([np.cos(a), np.sin(a)], axis=1) * across / np.sqrt(3)
    model.add(m.prism(f"{name}/nut", outline, across * 0.75, bevel=across * 0.07, steps=1, bottom=False), frame)
    a = np.radians(np.arange(8) * 45)
    stud = np.stack([np.cos(a), np.sin(a)], axis=1) * across * 0.31
    model.add(
        m.prism(f"{name}/stud", stud, across * 0.3, bevel=across * 0.05, steps=1, bottom=False),
        frame @ m.move(z=across * 0.75),
    )


def bolts(
    model: Model, name: str, frame: Floats, count: int, radius: float, z: float, across: float, both: bool = True
) -> None:
    """A ring of bolts about z, on faces at +z and, where both, at -z."""
    for k in range(count):
        spoke = frame @ m.turn("z", (k + 0.5) * 360 / count) @ m.move(x=radius)
        bolt(model, name, spoke @ m.move(z=z) @ m.turn("z", 17 * k), across)
        if both:
            bolt(model, name, spoke @ m.move(z=-z) @ m.turn("x", 180) @ m.turn("z", 23 * k), across)


def flange_pair(
    model: Model,
    name: str,
    frame: Floats,
    pipe: float,
    radius: float,
    thick: float,
    count: int,
    across: float,
    *,
    hub: float = 0.05,
    segments: int = 48,
) -> None:
    """Two weld-neck flanges face to face about z = 0, bolted. pipe: the pipe's radius."""
    gap, ring, neck = 0.002, radius - 0.020, pipe + 0.016
    half = [(pipe + 0.001, hub + thick), (neck, thick + 0.004), (radius, thick), (radius, gap), (ring, gap)]
    line = [(r, -z) for r, z in half] + [(r, z) for r, z in reversed(half)]
    bend = [0, 0.006, 0.003, 0.002, 0, 0, 0.002, 0.003, 0.006, 0]
    model.add(m.lathe(name, m.rounded(line, bend, 2), segments), frame)
    bolts(model, name, frame, count, (radius + neck) / 2 + 0.002, thick, across)


def covered_nozzle(
    model: Model,
    name: str,
    frame: Floats,
    pipe: float,
    length: float,
    radius: float,
    thick: float,
    count: int,
    across: float,
    *,
    segments: int = 48,
    handle: bool = False,
) -> None:
    """A nozzle that rises from z = 0 to a flange with a bolted blind cover; its pad is welded round its foot."""
    gap, ring = 0.002, radius - 0.018
    a, b = length - gap, length + gap
    line = [
        (pipe + 0.07, -0.08),
        (pipe + 0.07, 0.012),
        (pipe + 0.008, 0.018),
        (pipe, 0.026),
        (pipe, a - thick - 0.02),
        (pipe + 0.012, a - thick),
        (radius, a - thick),
        (radius, a),
        (ring, a),
        (ring, b),
        (radius, b),
        (radius, b + thick),
        (0, b + thick),
    ]
    bend = [0, 0.005, 0.006, 0.006, 0.02, 0.006, 0.003, 0.002, 0, 0, 0.002, 0.003, 0]
    model.add(m.lathe(name, m.rounded(line, bend, 2), segments), frame)
    bolts(model, name, frame @ m.move(z=length), count, (radius + pipe) / 2 + 0.006, thick + gap, across)
    if handle:
        reach = radius * 0.42
        path = m.rounded(
            [
                (-reach, 0, b + thick - 0.01),
                (-reach, 0, b + thick + 0.06),
                (reach, 0, b + thick + 0.06),
                (reach, 0, b + thick - 0.01),
            ],
            0.03,
            4,
        )
        model.add(m.tube(f"{name}/handle", path, 0.009, 10), frame)


def hand_wheel(model: Model, name: str, frame: Floats, radius: float, rod: float, spokes: int) -> None:
    """A dished wheel about z: rim, spokes, hub and nut."""
    a = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    rim = np.column_stack([radius * np.cos(a), radius * np.sin(a), np.full(48, 0.02)])
    model.add(m.tube(f"{name}/rim", rim, rod, 12, closed=True), frame)
    for k in range(spokes):
        spoke = m.rounded(
            [(radius * 0.12, 0, 0.0), (radius * 0.45, 0, 0.0), (radius * 0.72, 0, 0.02), (radius, 0, 0.02)], 0.05, 3
        )
        model.add(m.tube(f"{name}/spoke", spoke, rod * 0.72, 8, squash=0.75), frame @ m.turn("z", k * 360 / spokes))
    hub = [(0, -0.018), (radius * 0.17, -0.018), (radius * 0.19, 0.0), (radius * 0.15, 0.018), (0, 0.018)]
    model.add(m.lathe(f"{name}/hub", m.rounded(hub, [0, 0.004, 0.01, 0.004, 0], 2), 20), frame)
    bolt(model, f"{name}/hub", frame @ m.move(z=0.018), radius * 0.2)


def base_plate(model: Model, name: str, frame: Floats, side: float, thick: float, across: float) -> None:
    """A square foot plate with four anchor bolts."""
    model.add(m.box(name, (side, side, thick), 0.004), frame)
    for x in (-1, 1):
        for y in (-1, 1):
            bolt(model, name, frame @ m.move(x * side * 0.36, y * side * 0.36, thick), across)


# --- the gas cylinder -------------------------------------------------------------------------------------------------

CYLINDER_R, CYLINDER_FOOT, CYLINDER_TOP = 0.158, 0.11, 0.86


def gas_cylinder_shape() -> Model:
    """A welded propane cylinder of 47 kg: 0.32 m across, 1.24 m tall."""
    out = Model("GasCylinder")
    r, low, high = CYLINDER_R, CYLINDER_FOOT, CYLINDER_TOP
    t = np.radians(np.linspace(0, 90, 15))
    bottom = [(r * np.sin(a), low - 0.075 * np.cos(a)) for a in t]
    seam = [(r, 0.452), (r + 0.0012, 0.455), (r + 0.0026, 0.461), (r + 0.0012, 0.467), (r, 0.470)]
    out.add(m.lathe("bottom", bottom, 64))
    out.add(m.lathe("body", [(r, low), (r, 0.25), *seam, (r, 0.66), (r, high)], 64))
    shoulder = [(0.036 + (r - 0.036) * np.cos(a), high + 0.135 * np.sin(a)) for a in t]
    neck = m.rounded(
        [shoulder[-2], (0.036, high + 0.136), (0.036, high + 0.175), (0.0, high + 0.175)], [0, 0.012, 0.004, 0], 3
    )
    out.add(m.lathe("shoulder", np.array([*shoulder[:-2], *neck]), 64))
    ring = [
        (0.121, 0.012),
        (0.117, 0.0),
        (0.125, -0.0),
        (0.129, 0.012),
        (0.126, 0.03),
        (0.126, 0.085),
        (0.119, 0.085),
        (0.119, 0.03),
        (0.121, 0.012),
    ]
    foot = m.rounded([(r, z) for r, z in ring], [0, 0.003, 0.003, 0.006, 0.01, 0.002, 0.002, 0.01, 0], 2)
    out.add(m.lathe("foot", foot, 64))
    # The guard: a rolled band on three posts, open towards the valve's outlet, with a bead along its top.
    front = np.degrees(FRONT)
    sweep = np.linspace(front + 44, front + 316, 57)
    rise = np.full(57, high)
    out.add(m.bent_bar("guard", sweep, rise + 0.262, rise + 0.346, 0.112, 0.005))
    a = np.radians(sweep)
    out.add(
        m.tube(
            "guard/bead",
            np.column_stack([0.1095 * np.cos(a), 0.1095 * np.sin(a), rise + 0.348]),
            0.0075,
            10,
            caps=True,
            bevel=0.003,
        )
    )
    for middle, half in ((front + 180, 26), (front + 62, 18), (front - 62, 18)):
        post = np.linspace(middle - half, middle + half, 11)
        out.add(m.bent_bar("guard/post", post, np.full(11, high + 0.078), np.full(11, high + 0.263), 0.1115, 0.0042))
    # The valve (brass): body, outlet to the front, bonnet, and its painted wheel.
    z = high + 0.168
    body = m.rounded(
        [
            (0.0, 0),
            (0.019, 0),
            (0.019, 0.012),
            (0.015, 0.02),
            (0.015, 0.062),
            (0.021, 0.066),
            (0.021, 0.09),
            (0.011, 0.094),
            (0.011, 0.118),
            (0.0, 0.118),
        ],
        [0, 0.002, 0.002, 0.003, 0.003, 0.002, 0.002, 0.002, 0.002, 0],
        2,
    )
    out.add(m.lathe("valve/body", body, 24), m.move(z=z), slot=1, scale=0.5)
    outlet = m.rounded(
        [(0.0115, 0), (0.0115, 0.03), (0.016, 0.032), (0.016, 0.052), (0.008, 0.052), (0.008, 0.04), (0, 0.04)],
        [0, 0.001, 0.002, 0.002, 0.001, 0, 0],
        2,
    )
    out.add(m.lathe("valve/outlet", outlet, 24), m.move(z=z + 0.04) @ m.turn("x", 90), slot=1, scale=0.5)
    hand_wheel(out, "wheel", m.move(z=z + 0.128), 0.052, 0.0072, 5)
    return out


GREEN, CREAM, SIGNAL = p.color("1f6b49"), p.color("d8d2c0"), p.color("b7271f")


def gas_cylinder_paint(canvases: Sequence[Canvas], rng: np.random.Generator) -> None:
    """Green body, cream shoulder, label, diamond, logo, stencilled number, test date."""
    for c in canvases:
        part = c.island.part
        tint = CREAM if part.startswith(("shoulder", "guard")) else SIGNAL if part.startswith("wheel") else GREEN
        c.coat(tint, shift=float(rng.normal(0, 0.012)))
        if part == "body/wall":
            _cylinder_markings(c)


def _cylinder_markings(c: Canvas) -> None:
    d, middle, tall = c.density, 0.75 * c.island.width, c.island.height
    c.band(tall - 0.035, 0.08, CREAM)
    c.band(tall - 0.062, 0.012, CREAM)
    # On the front: logo over the label, diamond below the weld.
    c.stamp(p.logo(d, 0.052, CREAM, GREEN), middle, tall - 0.115)
    board = p.Board(0.27, 0.185, d, p.WHITE, 0.008)
    board.bar(0, 0.137, 0.27, 0.036, p.color("16407a"))
    board.text(0.135, 0.146, 0.018, "PROPANE", p.WHITE, bold=0.07, center=True)
    board.text(0.012, 0.112, 0.011, "LIQUEFIED PETROLEUM GAS", p.BLACK, bold=0.04)
    for k, line in enumerate(
        (
            "UN 1978   CLASS 2.1   C3H8",
            "KEEP UPRIGHT. CLOSE VALVE AFTER USE.",
            "KEEP AWAY FROM HEAT AND FLAMES.",
            "USE IN WELL VENTILATED PLACES ONLY.",
        )
    ):
        board.text(0.012, 0.092 - 0.017 * k, 0.0075, line, p.BLACK, bold=0.02)
    board.text(0.012, 0.012, 0.014, "47 kg", p.color("b7271f"), bold=0.06)
    for k, wide in enumerate((2, 1, 3, 1, 1, 2, 1, 3, 2, 1, 1, 2, 3, 1, 2, 1, 1, 3)):
        board.bar(0.135 + 0.0068 * k, 0.009, 0.0011 * wide, 0.024, p.BLACK)
    c.stamp(board.sign(), middle, 0.49, worn=0.25)
    c.stamp(p.hazard_diamond(d, 0.125, SIGNAL, "flame", "2"), middle, 0.215, worn=0.3)
    # On the back: serial and test date, stencilled.
    board = p.Board(0.34, 0.16, d)
    board.text(0.17, 0.095, 0.045, "SG 47-0318", CREAM, bold=0.03, center=True, stencil=True)
    board.text(0.17, 0.035, 0.028, "TARE 43.6 kg  TEST 2031", CREAM, center=True, stencil=True)
    c.stamp(board.sign(), 0.25 * c.island.width, 0.52, worn=0.4)
    c.stamp(p.logo(d, 0.045, CREAM, GREEN), 0.25 * c.island.width, tall - 0.115)


# --- the storage tank -------------------------------------------------------------------------------------------------

TANK_R, TANK_LOW, TANK_TALL, TANK_HEAD = 0.75, 0.82, 1.80, 0.30


def storage_tank_shape() -> Model:
    """A vertical vessel on four legs with manhole, nozzles and a ladder: 1.9 m across, 3.5 m tall."""
    out = Model("StorageTank")
    r, low, high = TANK_R, TANK_LOW, TANK_LOW + TANK_TALL
    t = np.radians(np.linspace(0, 90, 21))
    head = np.array([(r * np.sin(a) if a else 0.0, TANK_HEAD * np.cos(a)) for a in t])

    def bead(z: float) -> list[tuple[float, float]]:
        return [(r, z - 0.014), (r + 0.0025, z - 0.008), (r + 0.0042, z), (r + 0.0025, z + 0.008), (r, z + 0.014)]

    wall = [(r, low - 0.03), *bead(low), *bead(low + 0.6), *bead(low + 1.2), *bead(high), (r, high + 0.03)]
    out.add(m.lathe("shell", wall, 96))
    out.add(m.lathe("bottom", np.column_stack([head[:, 0], low - 0.03 - head[:, 1]]), 96))
    out.add(m.lathe("roof", np.column_stack([head[::-1, 0], high + 0.03 + head[::-1, 1]]), 96))
    for k in range(4):
        leg = m.turn("z", 45 + 90 * k) @ m.move(x=r - 0.03)
        out.add(m.box("leg", (0.11, 0.13, 1.16), 0.014, bottom=False, top=True), leg @ m.move(z=0.018))
        base_plate(out, "leg/plate", leg, 0.26, 0.02, 0.03)
        # A pad between leg and shell spreads the load.
        span = np.linspace(-9, 9, 9)
        out.add(
            m.bent_bar("leg/pad", span, np.full(9, 0.86), np.full(9, 1.36), r + 0.012, 0.016), m.turn("z", 45 + 90 * k)
        )

    def on_shell(angle_deg: float, z: float) -> Floats:
        return m.turn("z", angle_deg) @ m.move(x=r, z=z) @ m.turn("y", 90)

    covered_nozzle(out, "manhole", on_shell(-32, 1.32), 0.225, 0.16, 0.30, 0.026, 16, 0.034, handle=True)
    covered_nozzle(out, "nozzle", on_shell(-150, 1.08), 0.057, 0.17, 0.115, 0.02, 8, 0.026, segments=32)
    top = high + 0.03 + TANK_HEAD
    covered_nozzle(out, "vent", m.move(z=top - 0.004), 0.084, 0.20, 0.145, 0.022, 8, 0.028)
    covered_nozzle(out, "nozzle", m.move(-0.34, -0.12, top - 0.036), 0.045, 0.16, 0.095, 0.018, 8, 0.024, segments=32)
    # The drain: elbow and flange beneath.
    drain = m.rounded([(0, 0, low - 0.03 - TANK_HEAD + 0.02), (0, 0, 0.30), (0, -0.52, 0.30)], 0.13, 8)
    out.add(m.tube("drain", drain, 0.057, 28))
    flange_pair(
        out,
        "drain/flange",
        m.move(0, -0.42, 0.30) @ m.turn("x", 90),
        0.057,
        0.115,
        0.018,
        8,
        0.024,
        hub=0.035,
        segments=32,
    )
    cap = m.rounded([(0.057, 0), (0.057, 0.02), (0.04, 0.04), (0, 0.045)], [0, 0.01, 0.01, 0], 2)
    out.add(m.lathe("drain", cap, 28), m.move(0, -0.52, 0.30) @ m.turn("x", 90))
    for k in range(2):
        eye = m.rounded([(-0.07, 0), (0.07, 0), (0.05, 0.13), (-0.05, 0.13)], [0.0, 0.0, 0.04, 0.04], 4, closed=True)
        lug = m.turn("z", 90 + 180 * k) @ m.move(x=0.50, z=top - 0.09) @ m.turn("x", 90) @ m.move(z=-0.011)
        out.add(m.prism("lug", eye, 0.022, bevel=0.004), lug)
    _ladder(out, m.turn("z", 20), r, high)
    _level_gauge(out, m.turn("z", -62), r)
    # Name plate on a bracket.
    span = np.linspace(-6.5, 6.5, 9)
    out.add(m.bent_bar("plate", span, np.full(9, 1.02), np.full(9, 1.16), r + 0.022, 0.008), m.turn("z", -88))
    return out


def _ladder(out: Model, frame: Floats, r: float, high: float) -> None:
    """Rails, rungs, stand-offs and the hoops of a cage, along +X of the frame."""
    reach, half, rod = r + 0.20, 0.21, 0.021
    for y in (-half, half):
        top = high + 0.66
        rail = m.rounded(
            [(reach, y, 0.0), (reach, y, top), (reach - 0.34, y, top), (reach - 0.34, y, high + 0.22)], 0.14, 8
        )
        out.add(m.tube("ladder/rail", rail, rod, 14), frame)
        out.add(m.box("ladder/foot", (0.12, 0.10, 0.012), 0.004), frame @ m.move(x=reach, y=y))
        for z in (0.95, 1.72, 2.5):
            out.add(
                m.box("ladder/bracket", (0.014, 0.05, 0.20), 0.004, bottom=False, top=False),
                frame @ m.move(x=r - 0.005, y=y, z=z) @ m.turn("y", 90),
            )
    for k in range(10):
        z = 0.32 + 0.28 * k
        out.add(m.tube("ladder/rung", np.array([(reach, -half, z), (reach, half, z)]), 0.0135, 10), frame)
    angles = np.linspace(-122, 122, 41)
    for z in (2.02, 2.42, 2.82, 3.2):
        hoop = m.bent_bar("ladder/hoop", angles, np.full(41, z - 0.022), np.full(41, z + 0.022), 0.37, 0.007)
        out.add(hoop, frame @ m.move(x=reach + 0.19))
    for a in (-84, -42, 0, 42, 84):
        out.add(
            m.box("ladder/bar", (0.007, 0.04, 1.24), 0.003),
            frame @ m.move(x=reach + 0.19) @ m.turn("z", a) @ m.move(x=0.3595, z=2.0),
        )


def _level_gauge(out: Model, frame: Floats, r: float) -> None:
    """A bypass level gauge: an upright tube between two elbows with small flanges."""
    x = r + 0.13
    path = m.rounded([(r - 0.01, 0, 1.0), (x, 0, 1.0), (x, 0, 2.4), (r - 0.01, 0, 2.4)], 0.05, 6)
    out.add(m.tube("gauge", path, 0.017, 16), frame)
    out.add(m.box("gauge/scale", (0.012, 0.06, 1.1), 0.003), frame @ m.move(x=x + 0.021, z=1.15))
    for z in (1.0, 2.4):
        at = frame @ m.move(x=r + 0.05, z=z) @ m.turn("y", 90)
        flange_pair(out, "gauge/flange", at, 0.017, 0.046, 0.010, 4, 0.013, hub=0.012, segments=24)


TANK_WHITE, TANK_BLUE, STEEL_GREY = p.color("cfccbf"), p.color("1c5488"), p.color("5d666c")


def storage_tank_paint(canvases: Sequence[Canvas], rng: np.random.Generator) -> None:
    """Off-white shell with a blue stripe, tank number, logo, diamond and plates; grey legs, yellow ladder."""
    for c in canvases:
        part = c.island.part
        tint = TANK_WHITE
        if part.startswith(("ladder",)):
            tint = p.YELLOW
        elif part.startswith("leg") and not part.startswith("leg/pad"):
            tint = STEEL_GREY
        elif part.startswith(("drain/flange", "gauge/flange", "manhole/nut", "manhole/stud")):
            tint = TANK_BLUE
        c.coat(tint, shift=float(rng.normal(0, 0.010)))
        if part == "shell/wall":
            _tank_markings(c, rng)
        elif part == "plate/wall":
            _tank_plate(c)
        elif part == "gauge/scale/wall":
            for k in range(12):
                c.band(0.05 + 0.088 * k, 0.006, p.BLACK)
        elif part == "leg/wall":
            c.band(0.0, 0.20, p.YELLOW)
            c.band(0.05, 0.05, p.BLACK)
            c.band(0.15, 0.05, p.BLACK)


def _tank_markings(c: Canvas, rng: np.random.Generator) -> None:
    d, around = c.density, c.island.width

    def at(angle_deg: float) -> float:
        return float((angle_deg % 360) / 360 * around)

    # Courses of plate differ a little; so do the halves between upright welds.
    for k in range(3):
        for half in range(2):
            c_shift = float(rng.normal(0, 0.012))
            rows = np.s_[int(c._bottom() - (0.03 + 0.6 * (k + 1)) * d) : int(c._bottom() - (0.03 + 0.6 * k) * d)]
            middle = int(c.margin + (0.31 + 0.17 * k) * around * d)
            c.pixels[rows, slice(0, middle) if half else slice(middle, None)] *= 1 + c_shift
    c.band(1.36, 0.20, TANK_BLUE)
    c.band(1.325, 0.018, TANK_BLUE)
    for angle in (-112, 78):
        c.stamp(p.logo(d, 0.13, TANK_WHITE, TANK_BLUE), at(angle), 1.46, worn=0.2)
        board = p.Board(1.0, 0.46, d)
        board.text(0.5, 0.12, 0.24, "T-104", TANK_BLUE, bold=0.05, center=True, stencil=True)
        c.stamp(board.sign(), at(angle), 1.05, worn=0.22)
    board = p.Board(0.9, 0.13, d)
    board.text(0.45, 0.05, 0.055, "CAUSTIC SODA 20%", TANK_BLUE, bold=0.03, center=True, stencil=True)
    board.text(0.45, 0.005, 0.024, "V = 3.6 m3    P MAX 6 BAR    T MAX 60 C", TANK_BLUE, bold=0.02, center=True)
    for angle in (-112, 78):
        c.stamp(board.sign(), at(angle), 0.83, worn=0.3)
        c.stamp(p.fire_diamond(d, 0.20, ("3", "0", "1", "ALK")), at(angle - 53), 1.00, worn=0.25)
    # A small warning plate.
    board = p.Board(0.22, 0.29, d, p.YELLOW, 0.01)
    p.warning_triangle(board, 0.11, 0.125, 0.16)
    board.text(0.11, 0.075, 0.022, "DANGER", p.BLACK, bold=0.07, center=True)
    board.text(0.11, 0.042, 0.0125, "CONFINED SPACE", p.BLACK, bold=0.03, center=True, width=0.185)
    board.text(0.11, 0.018, 0.0125, "PERMIT REQUIRED", p.BLACK, bold=0.03, center=True, width=0.19)
    c.stamp(board.sign(), at(-44), 0.95)
    for angle, y in ((-150, 0.19), (-32, 0.20), (-62, 0.19), (-62, 1.58), (20, 0.95)):
        c.drips(at(angle), y, 0.35, 0.10, p.color("7d7460"), 0.30, rng)
    for angle in rng.uniform(0, 360, 14):
        c.drips(at(float(angle)), float(rng.choice([1.80, 1.22, 0.62])), 0.45, 0.12, p.color("8d8674"), 0.16, rng)


def _tank_plate(c: Canvas) -> None:
    """The maker's plate: its outer face is the third side of the bar's wall."""
    steel = p.color("a9adae")
    c.coat(steel)
    board = p.Board(0.15, 0.11, c.density, p.color("b9bcbc"), 0.004)
    for k, line in enumerate(("SYNGEN WORKS", "TYPE VS-3600", "SERIAL 104-0318", "YEAR 2024  CE")):
        board.text(0.010, 0.086 - 0.024 * k, 0.0105, line, p.BLACK, bold=0.03)
    c.stamp(board.sign().turned(3), 0.008 + 0.07, 0.5 * c.island.height)


# --- the pipe run -----------------------------------------------------------------------------------------------------

PIPE_R, PIPE_Z, PIPE_HALF, ELBOW_R = 0.084, 1.05, 1.20, 0.24


def pipe_run_shape() -> Model:
    """A gas line of 168 mm that rises, runs level through a gate valve and goes down again: 2.7 m by 1.7 m."""
    out = Model("PipeRun")
    r, z, half, bend = PIPE_R, PIPE_Z, PIPE_HALF, ELBOW_R
    for side in (-1.0, 1.0):
        riser = np.array([(side * half, 0, 0.0), (side * half, 0, 0.20)])
        out.add(m.tube("riser/low", riser, r, 40))
        flange_pair(out, "flange", m.move(side * half, 0, 0.30), r, 0.15, 0.024, 8, 0.032)
        out.add(
            m.tube(
                "riser/up" if side < 0 else "riser/down",
                np.array([(side * half, 0, 0.37), (side * half, 0, z - bend)]),
                r,
                40,
            )
        )
        base_plate(out, "foot", m.move(side * half, 0, 0), 0.34, 0.018, 0.028)
        collar = m.rounded([(r + 0.022, 0.0), (r + 0.022, 0.022), (r, 0.026)], [0, 0.004, 0], 2)
        out.add(m.lathe("foot/collar", collar, 40), m.move(side * half, 0, 0.016))
        turn = m.arc(bend, 180, 90, 14) if side < 0 else m.arc(bend, 90, 0, 14)
        centre = side * (half - bend)
        path = np.column_stack([turn[:, 0] + centre, np.zeros(15), turn[:, 1] + z - bend])
        out.add(m.tube("elbow", path, r, 40))
        for at in (m.move(side * half, 0, z - bend), m.move(side * (half - bend), 0, z) @ m.turn("y", 90)):
            weld = [(r - 0.002, -0.012), (r + 0.0022, -0.006), (r + 0.0038, 0), (r + 0.0022, 0.006), (r - 0.002, 0.012)]
            out.add(m.lathe("weld", weld, 40), at)
        inner = 0.235
        ends = sorted((side * (half - bend), side * inner))
        out.add(m.tube("run/left" if side < 0 else "run/right", np.array([(ends[0], 0, z), (ends[1], 0, z)]), r, 40))
        flange_pair(out, "flange", m.move(side * 0.165, 0, z) @ m.turn("y", 90), r, 0.15, 0.024, 8, 0.032, hub=0.04)
        _pipe_support(out, m.move(side * 0.885, 0, 0), z - r)
    _gate_valve(out, m.move(z=z))
    _gauge(out, m.move(-0.34, 0, z + r))
    return out


def _pipe_support(out: Model, frame: Floats, top: float) -> None:
    """An upright with a foot plate, a saddle and a U-bolt."""
    base_plate(out, "support/plate", frame, 0.24, 0.014, 0.022)
    web = [
        (-0.05, -0.05),
        (0.05, -0.05),
        (0.05, -0.042),
        (0.004, -0.042),
        (0.004, 0.042),
        (0.05, 0.042),
        (0.05, 0.05),
        (-0.05, 0.05),
        (-0.05, 0.042),
        (-0.004, 0.042),
        (-0.004, -0.042),
        (-0.05, -0.042),
    ]
    soft = m.rounded(
        web, [0.002, 0.002, 0.002, 0.006, 0.006, 0.002, 0.002, 0.002, 0.002, 0.006, 0.006, 0.002], 1, closed=True
    )
    out.add(m.prism("support/post", soft, top - 0.030, bottom=False, top=False), frame @ m.move(z=0.012))
    out.add(m.box("support/seat", (0.13, 0.28, 0.014), 0.004), frame @ m.move(z=top - 0.018))
    ends = PIPE_R + 0.011
    loop = np.concatenate([[(-ends, -PIPE_R - 0.035)], m.arc(ends, 180, 0, 18), [(ends, -PIPE_R - 0.035)]])
    strap = np.column_stack([np.zeros(len(loop)), loop[:, 0], loop[:, 1]])
    out.add(m.tube("support/strap", strap, 0.008, 10, caps=True, bevel=0.002), frame @ m.move(z=top + PIPE_R))
    for y in (-ends, ends):
        bolt(out, "support", frame @ m.move(y=y, z=top - 0.004), 0.024)


def _gate_valve(out: Model, frame: Floats) -> None:
    """Body between two flanges, bolted bonnet, yoke, rising stem and hand wheel; its stem along +Z."""
    barrel = [(0.084, -0.14), (0.094, -0.12), (0.108, -0.07), (0.118, 0.0), (0.108, 0.07), (0.094, 0.12), (0.084, 0.14)]
    out.add(m.lathe("valve/body", m.rounded(barrel, 0.06, 2), 40, whole=True), frame @ m.turn("y", 90))
    bonnet = [
        (0.088, 0.02),
        (0.084, 0.165),
        (0.088, 0.178),
        (0.132, 0.178),
        (0.132, 0.199),
        (0.118, 0.199),
        (0.118, 0.203),
        (0.132, 0.203),
        (0.132, 0.224),
        (0.082, 0.226),
        (0.062, 0.26),
        (0.046, 0.34),
        (0.046, 0.352),
        (0.064, 0.352),
        (0.064, 0.372),
        (0.03, 0.374),
        (0.03, 0.40),
        (0, 0.40),
    ]
    soft = [0, 0.02, 0.006, 0.003, 0.002, 0, 0, 0.002, 0.003, 0.008, 0.02, 0.02, 0.002, 0.003, 0.003, 0.003, 0.004, 0]
    out.add(m.lathe("valve/bonnet", m.rounded(bonnet, soft, 2), 40), frame)
    bolts(out, "valve/bonnet", frame @ m.move(z=0.201), 8, 0.110, 0.023, 0.026)
    for side in (-1, 1):
        arm = m.rounded(
            [(side * 0.05, 0, 0.36), (side * 0.075, 0, 0.40), (side * 0.06, 0, 0.50), (side * 0.022, 0, 0.55)], 0.05, 4
        )
        out.add(m.tube("valve/yoke", arm, 0.013, 12, squash=1.5), frame)
    hub = [(0, 0.535), (0.034, 0.535), (0.034, 0.575), (0.022, 0.582), (0, 0.582)]
    out.add(m.lathe("valve/hub", m.rounded(hub, [0, 0.004, 0.004, 0.003, 0], 2), 24), frame)
    out.add(m.tube("stem", np.array([(0, 0, 0.39), (0, 0, 0.74)]), 0.0125, 14, caps=True, bevel=0.003), frame)
    hand_wheel(out, "wheel", frame @ m.move(z=0.60), 0.175, 0.0135, 5)


def _gauge(out: Model, frame: Floats) -> None:
    """A pressure gauge on a short stem, its dial to the front."""
    stem = m.rounded([(0.022, -0.01), (0.022, 0.012), (0.011, 0.02), (0.011, 0.085)], [0, 0.004, 0.004, 0], 2)
    out.add(m.lathe("gauge/stem", stem, 20), frame)
    case = m.rounded(
        [
            (0, -0.026),
            (0.054, -0.026),
            (0.060, -0.02),
            (0.060, 0.016),
            (0.064, 0.016),
            (0.064, 0.026),
            (0.056, 0.026),
            (0.054, 0.019),
            (0, 0.019),
        ],
        [0, 0.003, 0.003, 0, 0.002, 0.003, 0.002, 0, 0],
        2,
    )
    out.add(m.lathe("gauge/case", case, 36), frame @ m.move(z=0.14) @ m.turn("x", 90), scale=1.6)


PIPE_YELLOW, VALVE_BLUE, WHEEL_RED = p.color("e2ab1c"), p.color("27598c"), p.color("b02a20")


def pipe_run_paint(canvases: Sequence[Canvas], rng: np.random.Generator) -> None:
    """Yellow pipe with marking bands and flow arrows, blue valve with a red wheel, grey supports."""
    for c in canvases:
        part, d = c.island.part, c.density
        tint = PIPE_YELLOW
        if part.startswith("valve"):
            tint = VALVE_BLUE
        elif part.startswith("wheel"):
            tint = WHEEL_RED
        elif part.startswith(("support", "foot")):
            tint = STEEL_GREY
        elif part.startswith("stem"):
            tint = p.color("8d9092")
        elif part.startswith("gauge"):
            tint = p.BLACK
        c.coat(tint, shift=float(rng.normal(0, 0.012)))
        if part.startswith("run/"):
            _pipe_markings(c, part == "run/left/wall")
        elif part in ("riser/up/wall", "riser/down/wall"):
            for x in (0.25, 0.75):
                c.stamp(
                    p.arrow(d, 0.22, 0.085, p.BLACK).turned(1 if part == "riser/up/wall" else 3),
                    x * c.island.width,
                    0.24,
                    worn=0.3,
                )
        elif part == "gauge/case/top":
            if c.island.width > 0.08:
                _dial(c)
        elif part == "valve/body/wall":
            board = p.Board(0.20, 0.07, d)
            board.text(0.10, 0.032, 0.028, "DN150", WHITE_CAST, bold=0.08, center=True)
            board.text(0.10, 0.005, 0.016, "PN16  SYNGEN", WHITE_CAST, bold=0.05, center=True)
            c.stamp(board.sign().turned(1), 0.5 * c.island.width * 0.5, 0.5 * c.island.height)


WHITE_CAST = p.color("c9d4de")


def _pipe_markings(c: Canvas, left: bool) -> None:
    """Marking band with its text along the pipe, read from the front and from the back, and an arrow beside it."""
    d, long, around = c.density, c.island.height, c.island.width
    band, begin = 0.40, 0.135 if left else long - 0.535
    c.band(begin, band, p.color("e9e4d4"))
    for y in (begin - 0.012, begin + band - 0.024):
        c.band(y, 0.036, p.color("3a3d40"))
    for front, quarters in ((True, 1), (False, 3)):
        board = p.Board(band - 0.08, 0.10, d)
        board.text((band - 0.08) / 2, 0.036, 0.052, "NATURAL GAS", p.BLACK, bold=0.05, center=True, width=band - 0.11)
        board.text((band - 0.08) / 2, 0.006, 0.017, "LINE 3   4 BAR   SYNGEN", p.BLACK, bold=0.03, center=True)
        x = around * (0.75 if not front else 0.25)
        c.stamp(board.sign().turned(quarters), x, begin + band / 2, worn=0.25)
        y = long - 0.095 if left else 0.095
        c.stamp(p.arrow(d, 0.15, 0.07, p.BLACK).turned(1), x, y, worn=0.3)


def _dial(c: Canvas) -> None:
    d, wide = c.density, 0.108
    middle_x, middle_y = c.island.width / 2, c.island.height / 2
    board = p.Board(wide, wide, d)
    board.disc(wide / 2, wide / 2, wide / 2, p.color("f4f2ea"))
    for k in range(21):
        a = np.radians(225 - 270 * k / 20)
        inner = 0.036 if k % 4 else 0.031
        ends = [(wide / 2 + q * np.cos(a), wide / 2 + q * np.sin(a)) for q in (inner, 0.043)]
        board.line(ends, 0.0012 if k % 4 else 0.0024, p.BLACK if k < 16 else p.RED)
    board.text(wide / 2, 0.026, 0.009, "bar", p.BLACK, center=True)
    a = np.radians(225 - 270 * 0.42)
    board.line([(wide / 2, wide / 2), (wide / 2 + 0.036 * np.cos(a), wide / 2 + 0.036 * np.sin(a))], 0.0028, p.BLACK)
    board.disc(wide / 2, wide / 2, 0.005, p.BLACK)
    c.stamp(board.sign(), middle_x, middle_y)


# --- what stands about (not targets) ----------------------------------------------------------------------------------


def cabinet_shape() -> Model:
    """A control cabinet of sheet steel on a plinth: 0.9 m x 0.4 m x 1.5 m."""
    out = Model("Cabinet")
    out.add(m.box("plinth", (0.86, 0.36, 0.10), 0.006), m.move())
    out.add(m.box("case", (0.90, 0.40, 1.36), 0.012), m.move(z=0.10))
    slope = [(-0.24, 0.0), (0.23, 0.0), (0.23, 0.035), (-0.24, 0.065)]
    roof = m.rounded(slope, 0.006, 2, closed=True)
    # Outline in (y, z), drawn out along x.
    out.add(
        m.prism("roof", np.column_stack([-roof[:, 0], roof[:, 1]])[::-1], 0.96, bevel=0.005),
        m.move(x=0.48, z=1.46) @ m.turn("z", -90) @ m.turn("x", 90) @ m.turn("y", 0),
    )
    for x in (-0.222, 0.222):
        out.add(m.box("door", (0.425, 1.26, 0.018), 0.006, bottom=False), m.move(x, -0.198, 0.78) @ m.turn("x", 90))
        for k in range(5):
            out.add(
                m.box("vent", (0.22, 0.014, 0.012), 0.004, bottom=False),
                m.move(x, -0.214, 0.28 + 0.035 * k) @ m.turn("x", 90),
            )
        for z in (0.32, 0.78, 1.24):
            out.add(
                m.tube(
                    "hinge",
                    np.array([(x * 1.97, -0.214, z - 0.04), (x * 1.97, -0.214, z + 0.04)]),
                    0.010,
                    10,
                    caps=True,
                    bevel=0.002,
                )
            )
    grip = m.rounded(
        [(0.055, -0.21, 0.70), (0.055, -0.262, 0.70), (0.055, -0.262, 0.88), (0.055, -0.21, 0.88)], 0.02, 4
    )
    out.add(m.tube("handle", grip, 0.009, 10))
    return out


def cabinet_paint(canvases: Sequence[Canvas], rng: np.random.Generator) -> None:
    """Light grey, with a warning sign, a name and a row of lamps on its doors."""
    doors = 0
    for c in canvases:
        part, d = c.island.part, c.density
        dark = part.startswith(("plinth", "hinge", "handle", "vent"))
        c.coat(p.color("4a5157") if dark else p.color("9aa3a3"), shift=float(rng.normal(0, 0.01)))
        if part != "door/top":
            continue
        doors += 1
        board = p.Board(0.425, 1.26, d)
        if doors == 1:
            board.bar(0.11, 0.70, 0.20, 0.27, p.YELLOW)
            p.warning_triangle(board, 0.21, 0.80, 0.15)
            board.text(0.21, 0.755, 0.022, "400 V", p.BLACK, bold=0.07, center=True)
            board.text(0.21, 0.722, 0.012, "DANGER OF DEATH", p.BLACK, bold=0.03, center=True, width=0.17)
            board.text(0.21, 1.10, 0.06, "MCC-2", p.color("2b3338"), bold=0.05, center=True, stencil=True)
        else:
            for k, tint in enumerate((p.color("2f9e44"), p.YELLOW, p.RED)):
                board.disc(0.13 + 0.08 * k, 1.06, 0.026, p.color("2b3338"))
                board.disc(0.13 + 0.08 * k, 1.06, 0.019, tint)
            board.bar(0.10, 0.96, 0.22, 0.045, p.color("e9e6da"))
            board.text(0.21, 0.972, 0.018, "PUMP P-104 A/B", p.BLACK, bold=0.03, center=True)
        c.stamp(board.sign(), c.island.width / 2, c.island.height / 2, worn=0.15)


def bollard_shape() -> Model:
    """A steel post filled with concrete: 0.17 m across, 1 m tall."""
    out = Model("Bollard")
    cap = [(0.084 * np.cos(a), 0.96 + 0.045 * np.sin(a)) for a in np.radians(np.linspace(0, 90, 8))]
    out.add(m.lathe("post", [(0.084, 0.0), (0.084, 0.5), *cap], 40))
    base_plate(out, "foot", m.move(), 0.30, 0.014, 0.024)
    return out


def bollard_paint(canvases: Sequence[Canvas], rng: np.random.Generator) -> None:
    """Yellow with black bands."""
    for c in canvases:
        c.coat(STEEL_GREY if c.island.part.startswith("foot") else p.YELLOW, shift=float(rng.normal(0, 0.01)))
        if c.island.part == "post/wall":
            for y in (0.42, 0.72):
                c.band(y, 0.15, p.BLACK)


def pad_shape() -> Model:
    """The raised pad that the tank stands on."""
    out = Model("Pad")
    out.add(m.prism("pad", m.rectangle(3.3, 2.9, 0.03, 3), 0.12, bevel=0.02, bottom=False))
    return out


def pad_paint(canvases: Sequence[Canvas], rng: np.random.Generator) -> None:
    """Concrete with a yellow edge line."""
    for c in canvases:
        c.coat(p.color("9c978c"))
        if c.island.part == "pad/top":
            line = p.color("cf9f24")
            for x in (0.06, c.island.width - 0.16):
                c.column(x, 0.10, line)
            for y in (0.06, c.island.height - 0.16):
                c.band(y, 0.10, line)


THINGS = (
    Thing(
        "GasCylinder",
        "gas_cylinder",
        gas_cylinder_shape,
        gas_cylinder_paint,
        1024,
        p.color("a39c8c"),
        0.30,
        (-1.20, -1.62, -10.0),
        ("Paint", "Brass"),
    ),
    Thing(
        "StorageTank",
        "storage_tank",
        storage_tank_shape,
        storage_tank_paint,
        2048,
        p.color("a8a08e"),
        0.34,
        (0.0, 0.75, 0.0),
        height=0.12,
    ),
    Thing("PipeRun", "pipe_run", pipe_run_shape, pipe_run_paint, 2048, p.color("a39a84"), 0.32, (1.80, -1.38, -16.0)),
)

PROPS = (
    Thing("Pad", "", pad_shape, pad_paint, 1024, p.color("8b8473"), 0.10, (0.2, 0.75, 0.0), roughness=0.85),
    Thing("Cabinet", "", cabinet_shape, cabinet_paint, 1024, p.color("a39c8c"), 0.25, (-2.15, 1.35, 16.0)),
    Thing("Bollard.1", "", bollard_shape, bollard_paint, 512, p.color("a39c8c"), 0.25, (4.05, -0.75, 20.0)),
    Thing("Bollard.2", "", bollard_shape, bollard_paint, 512, p.color("a39c8c"), 0.25, (4.05, 0.95, -30.0)),
)
"""What makes the place a place; never aged."""
