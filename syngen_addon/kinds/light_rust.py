"""Light rust: a young, thin, orange-brown film with powdery blooms; bare metal still glints through. Data only."""

from ..recipe import Kind, Look, Onset

KIND = Kind(
    name="light_rust",
    label="Light rust",
    onset=Onset(edge=0.7, cavity=0.4, drips=0.15, splash=0.15, spread=0.8, scale_m=0.12),
    look=Look(
        colors_srgb=(
            (0.70, 0.40, 0.16),
            (0.58, 0.31, 0.13),
            (0.485, 0.25, 0.12),
            (0.40, 0.215, 0.12),
            (0.325, 0.20, 0.135),
            (0.235, 0.155, 0.115),
        ),
        roughness=(0.55, 0.92),
        metallic=0.8,
        relief=0.35,
        grain=0.9,
        scale=1.2,
        direction=0.0,
        body=(0.25, 0.7),
        contrast=0.5,
        powder=0.10,
        crust=0.08,
        flakes=0.1,
        pits=0.6,
        spots=0.9,
        bare=0.006,
    ),
    prompt="light surface rust, thin orange-brown film, fine powdery specks, glints of bare metal",
    coverage=0.75,
    over=55,
)
