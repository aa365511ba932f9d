"""Chalking: sun and rain have eaten the binder, and the paint turns to pale powder; lightest from above. Data only."""

from ..recipe import Front, Kind, Look, Onset

KIND = Kind(
    name="chalking",
    label="Chalking",
    wear_class="chalking",
    onset=Onset(
        spread=0.35, edge=0.15, cavity=0.0, contact=0.0, drips=0.2, splash=0.0, rain=1.0, welds=0.0, scale_m=0.35,
        contrast=0.2,
    ),
    look=Look(
        style="film",
        colors_srgb=(
            (0.93, 0.925, 0.91),
            (0.87, 0.865, 0.845),
            (0.80, 0.79, 0.765),
            (0.71, 0.70, 0.67),
            (0.60, 0.585, 0.555),
        ),
        roughness=(0.75, 1.0),
        metallic=0.0,
        relief=0.12,
        grain=0.8,
        scale=1.2,
        direction=0.4,
        body=(0.15, 0.75),
        contrast=0.6,
        powder=0.3,
        crust=0.05,
        flakes=0.2,
        pits=0.15,
        spots=0.5,
        runs=0.35,
    ),
    front=Front(
        stain=0.3,
        stain_linear=(0.62, 0.61, 0.59),
        stain_levels=0.08,
        bloom_linear=(0.92, 0.92, 0.92),
        scale_linear=(1.04, 1.04, 1.04),
        lip_m=0.0,
        sink_m=0.0,
        grain=0.3,
        runoff=0.12,
        runoff_linear=(0.62, 0.61, 0.59),
        dull=0.3,
        dust=0.3,
    ),
    prompt="chalking faded paint, pale powdery bloom, sun-bleached, washed-out streaks",
    coverage=0.45,
    over=20,
)
