"""Rust streaks: rusty water that ran down and dried, drawn out along the vertical. Data only."""

from ..recipe import Kind, Look, Onset

KIND = Kind(
    name="rust_streaks",
    label="Rust streaks",
    onset=Onset(edge=0.35, cavity=0.5, streaks=1.0, ground=0.1, noise=0.3, scale_m=0.2),
    look=Look(
        colors_srgb=(
            (0.64, 0.35, 0.15),
            (0.52, 0.265, 0.12),
            (0.425, 0.21, 0.10),
            (0.345, 0.17, 0.09),
            (0.27, 0.145, 0.085),
            (0.18, 0.105, 0.065),
        ),
        roughness=(0.6, 0.93),
        metallic=0.0,
        relief=0.4,
        grain=0.7,
        scale=0.9,
        direction=0.8,
        body=(0.3, 0.65),
        contrast=0.55,
        powder=0.08,
        crust=0.08,
        flakes=0.15,
        pits=0.2,
        spots=0.3,
        runs=0.7,
    ),
    wear_class="streaks",
    prompt="rust streaks running down a steel wall, vertical orange-brown stains, seamless texture, flat lighting",
    coverage=0.7,
)
