"""Scratches: thin, nearly straight scores through the paint down to bright metal, in bundles. Data only."""

from ..recipe import Front, Kind, Look, Onset

KIND = Kind(
    name="scratches",
    label="Scratches",
    wear_class="scratch",
    onset=Onset(
        pattern="lines", scale_m=0.055, spread=0.8, edge=0.35, cavity=0.0, contact=0.3, drips=0.0, splash=0.2, rain=0.0,
        welds=0.0,
    ),
    look=Look(
        style="bare",
        colors_srgb=(
            (0.66, 0.65, 0.62),
            (0.56, 0.555, 0.55),
            (0.48, 0.45, 0.42),
            (0.42, 0.32, 0.24),
        ),
        bare_srgb=(0.62, 0.615, 0.61),
        roughness=(0.18, 0.62),
        metallic=1.0,
        relief=0.25,
        grain=0.9,
        scale=0.7,
        direction=0.5,
        body=(0.55, 0.9),
        contrast=0.5,
        powder=0.10,
        crust=0.06,
        pits=0.15,
        spots=0.15,
    ),
    front=Front(
        stain=0.0,
        bloom_linear=(1.10, 1.10, 1.10),
        scale_linear=(0.92, 0.90, 0.88),
        rim_levels=0.004,
        rim_linear=(0.48, 0.47, 0.45),
        rim_metallic=0.0,
        lip_m=0.0002,
        sink_m=0.0004,
        sink_levels=0.01,
        grain=0.2,
        dull=0.0,
        dust=0.0,
    ),
    prompt="scratched paint, fine bright scratches down to bare metal, scuff marks",
    coverage=1.0,
    over=50,
    tile_m=0.3,
)
