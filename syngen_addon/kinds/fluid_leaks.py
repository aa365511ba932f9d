"""Fluid leaks: oil that seeps from seams and bolts and runs down, dark, wet and shining. Data only."""

from ..recipe import Front, Kind, Look, Onset

KIND = Kind(
    name="fluid_leaks",
    label="Oil leaks",
    wear_class="leak",
    onset=Onset(
        spread=0.12, edge=0.0, cavity=0.6, contact=0.5, drips=1.0, splash=0.15, rain=0.0, welds=0.8, scale_m=0.3,
        contrast=0.7,
    ),
    look=Look(
        style="film",
        colors_srgb=(
            (0.27, 0.205, 0.12),
            (0.185, 0.135, 0.08),
            (0.12, 0.09, 0.06),
            (0.065, 0.052, 0.042),
        ),
        roughness=(0.06, 0.38),
        metallic=0.0,
        relief=0.22,
        grain=0.2,
        scale=1.3,
        direction=0.5,
        body=(0.25, 0.8),
        contrast=0.6,
        powder=0.06,
        crust=0.10,
        flakes=0.1,
        pits=0.15,
        spots=0.5,
        runs=0.8,
    ),
    front=Front(
        stain=0.35,
        stain_linear=(0.075, 0.050, 0.025),
        stain_levels=0.05,
        bloom_linear=(1.30, 1.22, 1.10),
        scale_linear=(0.75, 0.74, 0.74),
        lip_m=0.0,
        sink_m=-0.0004,
        sink_levels=0.01,
        grain=0.15,
        runoff=0.6,
        runoff_linear=(0.07, 0.048, 0.026),
        runoff_counts=True,
    ),
    prompt="oil leak, dark wet oil running down from seams and bolts, glossy black-brown stains",
    coverage=0.82,
    over=70,
)
