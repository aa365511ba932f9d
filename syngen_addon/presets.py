"""What an object went through: how each preset turns the sliders of `[causes]`. Data only; imports nothing.

Factors on the sliders of the same name; a slider that is not named stays. age_shift is added.
"""

PRESETS: dict[str, dict[str, float]] = {
    # Handled every day, kept dry: edges and what is touched.
    "light_use": {
        "spread": 0.5, "edge": 1.5, "cavity": 0.6, "contact": 1.5, "drips": 0.2, "splash": 0.4, "rain": 0.3,
        "welds": 0.7, "contrast": 1.4, "scale": 0.6, "age_shift": -0.3,
    },
    # Salt spray from all sides: every seam and weld bleeds, much runs down.
    "coastal": {
        "spread": 1.2, "edge": 1.0, "cavity": 1.4, "contact": 1.3, "drips": 1.8, "splash": 1.2, "rain": 1.5,
        "welds": 1.8, "contrast": 0.9, "scale": 0.8, "age_shift": -0.1,
    },
    # Knocks, heat and dirt: edges, feet and joints go first, in large patches.
    "heavy_industrial": {
        "spread": 0.9, "edge": 1.6, "cavity": 1.2, "contact": 1.6, "drips": 0.8, "splash": 1.8, "rain": 0.6,
        "welds": 1.4, "contrast": 1.2, "scale": 1.3, "age_shift": 0.2,
    },
    # Years outdoors without paint: rain from above, standing water, large old patches.
    "abandoned": {
        "spread": 1.6, "edge": 0.8, "cavity": 1.5, "contact": 1.0, "drips": 1.4, "splash": 1.5, "rain": 2.5,
        "welds": 1.0, "contrast": 0.7, "scale": 1.6, "age_shift": 0.4,
    },
}
