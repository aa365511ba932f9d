"""Dents: the sheet knocked in, round and shallow; shape alone, the paint stays on. Data only."""

from ..recipe import Front, Kind, Look, Onset

KIND = Kind(
    name="dents",
    label="Dents",
    wear_class="dent",
    onset=Onset(
        pattern="dents", scale_m=0.16, spread=0.8, edge=0.3, cavity=0.0, contact=0.2, drips=0.0, splash=0.25, rain=0.0,
        welds=0.0,
    ),
    look=Look(
        style="film",
        colors_srgb=((0.56, 0.55, 0.54), (0.46, 0.45, 0.44), (0.34, 0.33, 0.32)),
        roughness=(0.35, 0.65),
        metallic=0.0,
        relief=0.0,
        grain=0.4,
        scale=1.0,
        direction=0.1,
        powder=0.05,
        crust=0.05,
        flakes=0.0,
        pits=0.1,
        spots=0.1,
    ),
    front=Front(
        stain=0.0,
        bloom_linear=(1.0, 1.0, 1.0),
        scale_linear=(1.0, 1.0, 1.0),
        lip_m=0.0,
        sink_m=0.024,
        sink_levels=0.38,
        grain=0.0,
        dull=0.0,
        dust=0.0,
    ),
    prompt="dented sheet metal, round shallow dents, knocked in",
    coverage=0.0,
    over=10,
)
