"""Peeling paint: it lets go in plates whose borders curl up; below lie primer, steel and its first rust. Data only."""

from ..recipe import Front, Kind, Look, Onset

KIND = Kind(
    name="peeling_paint",
    label="Peeling paint",
    wear_class="peeling",
    onset=Onset(
        pattern="plates", scale_m=0.06, spread=0.7, edge=0.5, cavity=0.25, contact=0.2, drips=0.1, splash=0.2, rain=0.3,
        welds=0.2,
    ),
    look=Look(
        style="bare",
        colors_srgb=(
            (0.60, 0.58, 0.54),
            (0.46, 0.445, 0.43),
            (0.40, 0.30, 0.22),
            (0.44, 0.27, 0.14),
            (0.31, 0.19, 0.115),
        ),
        bare_srgb=(0.45, 0.44, 0.43),
        roughness=(0.25, 0.92),
        metallic=1.0,
        relief=0.45,
        grain=0.6,
        scale=1.0,
        direction=0.15,
        body=(0.55, 0.95),
        contrast=0.55,
        powder=0.32,
        crust=0.30,
        pits=0.5,
        spots=0.7,
    ),
    front=Front(
        stain=0.12,
        stain_linear=(0.20, 0.15, 0.11),
        stain_levels=0.03,
        bloom_linear=(1.12, 1.12, 1.12),
        scale_linear=(0.86, 0.74, 0.64),
        rim_levels=0.012,
        rim_linear=(0.42, 0.41, 0.38),
        rim_metallic=0.0,
        lip_m=0.0016,
        sink_m=0.0006,
        sink_levels=0.004,
        grain=0.5,
        runoff=0.15,
    ),
    prompt="peeling paint, flaked off in curled plates, bare steel and grey primer below, spots of flash rust",
    coverage=1.0,
    over=40,
)
