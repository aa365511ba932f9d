"""Cracks: paint or coating that has shrunk and split into a network; long ones first, then finer between. Data only."""

from ..recipe import Front, Kind, Look, Onset

KIND = Kind(
    name="cracks",
    label="Cracks",
    wear_class="crack",
    onset=Onset(
        pattern="cracks", scale_m=0.10, spread=0.7, edge=0.2, cavity=0.3, contact=0.1, drips=0.0, splash=0.1, rain=0.4,
        welds=0.3,
    ),
    look=Look(
        style="film",
        colors_srgb=(
            (0.24, 0.20, 0.165),
            (0.17, 0.14, 0.115),
            (0.115, 0.095, 0.08),
            (0.07, 0.06, 0.055),
        ),
        roughness=(0.6, 0.95),
        metallic=0.0,
        relief=0.4,
        grain=0.9,
        scale=1.0,
        direction=0.0,
        body=(0.3, 0.8),
        contrast=0.6,
        powder=0.12,
        crust=0.25,
        flakes=0.4,
        pits=0.5,
        spots=0.1,
    ),
    front=Front(
        stain=0.30,
        stain_linear=(0.10, 0.07, 0.05),
        stain_levels=0.025,
        bloom_linear=(0.85, 0.82, 0.80),
        scale_linear=(1.0, 0.95, 0.90),
        age_levels=0.3,
        lip_m=0.0007,
        sink_m=0.0025,
        sink_levels=0.02,
        grain=0.4,
        runoff=0.1,
    ),
    prompt="cracked paint, network of dark cracks, crazed and alligatored coating",
    coverage=1.0,
    over=30,
)
