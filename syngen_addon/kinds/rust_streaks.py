"""Rust streaks: rusty water that ran down and dried, drawn out along the vertical. Data only."""

from ..recipe import Front, Kind, Look, Onset

KIND = Kind(
    name="rust_streaks",
    label="Rust streaks",
    onset=Onset(edge=0.35, cavity=0.5, drips=1.0, splash=0.1, spread=0.3, scale_m=0.2),
    look=Look(
        colors_srgb=(
            (0.64, 0.36, 0.165),
            (0.52, 0.262, 0.12),
            (0.415, 0.205, 0.10),
            (0.335, 0.168, 0.088),
            (0.255, 0.147, 0.085),
            (0.165, 0.10, 0.07),
        ),
        roughness=(0.48, 0.95),
        metallic=0.0,
        relief=0.4,
        grain=0.9,
        scale=1.1,
        direction=0.2,
        body=(0.23, 0.63),
        contrast=0.4,
        powder=0.09,
        crust=0.04,
        flakes=0.15,
        pits=0.3,
        spots=0.8,
        sheets=0.35,
        runs=0.8,
    ),
    wear_class="streaks",
    front=Front(runoff=0.95, stain=0.6, lip_m=0.0003),
    prompt="rust streaks running down, vertical orange-brown stains, drips",
    coverage=0.7,
    over=65,
)
