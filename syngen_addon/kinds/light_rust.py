"""Light rust: a young, thin, orange-brown film with powdery blooms; bare metal still glints through. Data only."""

from ..recipe import Front, Kind, Look, Onset

KIND = Kind(
    name="light_rust",
    label="Light rust",
    onset=Onset(edge=0.7, cavity=0.4, drips=0.15, splash=0.15, spread=0.8, scale_m=0.12),
    look=Look(
        colors_srgb=(
            (0.68, 0.39, 0.165),
            (0.555, 0.295, 0.13),
            (0.46, 0.238, 0.118),
            (0.38, 0.205, 0.115),
            (0.305, 0.185, 0.125),
            (0.215, 0.14, 0.105),
        ),
        roughness=(0.45, 0.96),
        metallic=0.8,
        relief=0.35,
        grain=0.9,
        scale=1.2,
        direction=0.0,
        body=(0.265, 0.715),
        contrast=0.5,
        powder=0.10,
        crust=0.08,
        flakes=0.1,
        pits=0.6,
        spots=0.9,
        bare=0.006,
    ),
    front=Front(runoff=0.6, rim_levels=0.015, lip_m=0.0004, sink_m=0.0002),
    prompt="light surface rust, thin orange-brown film, fine powdery specks, glints of bare metal",
    coverage=0.75,
    over=55,
)
