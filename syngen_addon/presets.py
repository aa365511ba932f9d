"""What an object went through: how each preset turns the sliders of `[causes]`. Data only; imports nothing.

Factors on the sliders of the same name; a slider that is not named stays. age_shift is added.
"""

PRESETS: dict[str, dict[str, float]] = {
    # Handled every day, kept dry: edges and what is touched.
    "light_use": {
        "spread": 0.35, "edge": 1.6, "cavity": 0.4, "contact": 1.0, "drips": 0.1, "splash": 0.3, "rain": 0.0,
        "welds": 0.6, "contrast": 1.4, "scale": 0.5, "age_shift": -0.3,
    },
    # Salt spray from all sides: every seam and weld bleeds, much runs down.
    "coastal": {
        "spread": 0.5, "edge": 0.6, "cavity": 1.6, "contact": 2.0, "drips": 2.6, "splash": 0.6, "rain": 0.8,
        "welds": 2.8, "contrast": 1.2, "scale": 0.5, "age_shift": -0.1,
    },
    # Knocks, heat and dirt: edges, feet and joints go first, in large patches.
    "heavy_industrial": {
        "spread": 0.4, "edge": 1.2, "cavity": 1.0, "contact": 3.0, "drips": 0.6, "splash": 3.0, "rain": 0.3,
        "welds": 1.5, "contrast": 1.4, "scale": 1.4, "age_shift": 0.2,
    },
    # Years outdoors without paint: rain from above, standing water, large old patches.
    "abandoned": {
        "spread": 1.6, "edge": 0.3, "cavity": 0.8, "contact": 0.6, "drips": 1.6, "splash": 1.0, "rain": 3.0,
        "welds": 0.6, "contrast": 0.8, "scale": 2.2, "age_shift": 0.4,
    },
}
