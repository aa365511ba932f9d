"""Heavy rust: old, layered corrosion; red-brown body, dark crust that blisters and flakes, deep pits. Data only."""

from ..recipe import Front, Kind, Look, Onset

KIND = Kind(
    name="heavy_rust",
    label="Heavy rust",
    onset=Onset(edge=0.6, cavity=0.6, drips=0.3, splash=0.25, spread=0.6, scale_m=0.25),
    look=Look(
        colors_srgb=(
            (0.66, 0.34, 0.12),
            (0.50, 0.245, 0.105),
            (0.395, 0.19, 0.09),
            (0.315, 0.155, 0.08),
            (0.225, 0.12, 0.07),
            (0.13, 0.078, 0.05),
        ),
        roughness=(0.5, 0.98),
        metallic=0.0,
        relief=0.9,
        grain=1.0,
        scale=1.0,
        direction=0.1,
        body=(0.2, 0.6),
        contrast=0.5,
        powder=0.055,
        crust=0.2,
        flakes=0.6,
        pits=0.5,
        spots=0.5,
        blisters=0.5,
        sheets=0.45,
    ),
    front=Front(runoff=0.7, rim_levels=0.004, sink_m=0.0004, scale_linear=(0.50, 0.46, 0.45)),
    prompt="heavy rust, layered flaking corrosion, dark brown scale, blisters and pits, orange powder",
    coverage=0.92,
    over=60,
)
