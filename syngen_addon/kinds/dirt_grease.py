"""Dirt and grease: grey-brown grime that sits in corners, around what is touched and near the ground. Data only."""

from ..recipe import Front, Kind, Look, Onset

KIND = Kind(
    name="dirt_grease",
    label="Dirt and grease",
    wear_class="dirt",
    onset=Onset(
        spread=0.5, edge=0.0, cavity=0.9, contact=0.6, drips=0.25, splash=0.8, rain=0.15, welds=0.4, scale_m=0.2,
        contrast=0.35,
    ),
    look=Look(
        style="film",
        colors_srgb=(
            (0.40, 0.365, 0.31),
            (0.34, 0.295, 0.24),
            (0.25, 0.215, 0.175),
            (0.17, 0.145, 0.12),
            (0.105, 0.09, 0.08),
        ),
        roughness=(0.45, 0.97),
        metallic=0.0,
        relief=0.35,
        grain=0.9,
        scale=1.0,
        direction=0.15,
        body=(0.2, 0.75),
        contrast=0.6,
        powder=0.2,
        crust=0.22,
        flakes=0.35,
        pits=0.5,
        spots=0.5,
        runs=0.25,
    ),
    front=Front(
        stain=0.55,
        stain_linear=(0.105, 0.078, 0.052),
        stain_levels=0.14,
        bloom_linear=(1.25, 1.20, 1.12),
        scale_linear=(0.80, 0.79, 0.78),
        lip_m=0.0,
        sink_m=-0.0006,
        sink_levels=0.15,
        grain=0.5,
        runoff=0.25,
        runoff_linear=(0.10, 0.078, 0.055),
    ),
    prompt="dirty greasy surface, grey-brown grime and dust caked in corners, dried drops",
    coverage=0.84,
    over=80,
)
