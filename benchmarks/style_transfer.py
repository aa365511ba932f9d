"""Neural style transfer as the worker does it, against a plain implementation: same method, weights, picture and steps.

The plain one is the textbook's: VGG-19 as a Sequential up to the deepest layer that counts, Gram matrices, torch's own
L-BFGS with its own length of history (Adam came nowhere near its loss), the picture clamped before each evaluation as
PyTorch's tutorial has it, every step at full size. The figure counts only because the loss that ours ends with,
measured by the plain one's own code at full size, is no higher: the benchmark fails where it is.

Weights: SYNGEN_TEST_WEIGHTS, or those beside .venv-worker; without any, random ones of the same shape. Which, the steps
and the losses are told with the figure.
"""

import os
from pathlib import Path
from typing import Any

from harness import ROOT, compare, rerun_with_torch

SIDE = 256
STEPS = 50


def main() -> None:
    rerun_with_torch(__file__)
    os.environ["OMP_NUM_THREADS"] = "1"  # of both: threads that wait for each other count as CPU time
    import torch

    from syngen_addon.worker import gatys, vgg

    torch.set_num_threads(1)
    state, which = weights()
    content, style = pictures()
    network = vgg.vgg_of(state, which)
    plain = Plain(state, content, style)
    made: dict[str, Any] = {}

    def ours() -> None:
        one, other = (x.contiguous(memory_format=torch.channels_last) for x in (content, style))
        made["ours"] = gatys.optimise(network, one, other, one, (1.0, 1.0), STEPS)

    def textbook() -> None:
        made["plain"] = Plain(state, content, style).optimise(STEPS)

    losses: dict[str, float] = {}

    def about() -> dict[str, object]:
        with torch.no_grad():
            for name, picture in (("start", content), *made.items()):
                losses[name] = round(float(plain.loss(picture)), 5)
        return {"weights": which, "steps": STEPS, "losses": losses}

    compare("style_transfer", ours, textbook, pairs=3, limit=0.6, warm_up=False, about=about)
    assert losses["ours"] <= losses["plain"] < losses["start"], "ours does less: nothing was compared"


def weights() -> tuple[dict[str, Any], str]:
    """AdaIN's VGG-19 as a state dict, and "real" or "random"."""
    import torch

    folder = os.environ.get("SYNGEN_TEST_WEIGHTS") or ROOT / ".venv-worker" / "weights" / "models"
    path = Path(folder) / "vgg_normalized.pth"
    if path.is_file():
        return torch.load(path, weights_only=True), "real"
    torch.manual_seed(0)
    channels = (3, 64, 64, 128, 128, 256, 256, 256, 256, 512)
    state = {"0.weight": torch.eye(3)[:, :, None, None], "0.bias": torch.zeros(3)}
    for key, into, out in zip((2, 5, 9, 12, 16, 19, 22, 25, 29), channels, channels[1:], strict=False):
        state[f"{key}.weight"] = torch.randn(out, into, 3, 3) * (2 / (9 * into)) ** 0.5
        state[f"{key}.bias"] = torch.zeros(out)
    return state, "random"


def pictures() -> tuple[Any, Any]:
    """Content and style, 1 x 3 x SIDE x SIDE: a painted plate with a label, and the procedural rust."""
    import cv2
    import numpy as np
    import torch

    from syngen_addon.kinds import KINDS
    from syngen_addon.seeds import generator
    from syngen_addon.textures.procedural import wear_texture

    plate = np.full((SIDE, SIDE, 3), (140, 20, 18), np.uint8)
    plate[:: SIDE // 4] = 25
    cv2.rectangle(plate, (SIDE // 4, SIDE // 3), (SIDE * 3 // 4, SIDE * 2 // 3), (230, 200, 25), -1)
    cv2.putText(plate, "SYN 42", (SIDE // 4 + 8, SIDE * 9 // 16), cv2.FONT_HERSHEY_SIMPLEX, SIDE / 256, (13, 13, 13), 3)
    painted = np.clip(plate / 255 + generator(1, "benchmark").normal(0, 0.02, plate.shape), 0, 1).astype(np.float32)
    rust = wear_texture(KINDS["heavy_rust"], SIDE, generator(0, "benchmark")).color_srgb
    content, style = (torch.from_numpy(x).permute(2, 0, 1)[None].contiguous() for x in (painted, rust))
    return content, style


class Plain:
    """The method without any thought of speed: the loss of gatys.py's docstring, weighted 1 : 1."""

    def __init__(self, state: dict[str, Any], content: Any, style: Any) -> None:
        import torch
        from torch import nn

        from syngen_addon.worker.gatys import STYLE_UNIT

        def conv(key: int) -> Any:
            weight = state[f"{key}.weight"]
            layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2])
            layer.load_state_dict({"weight": weight, "bias": state[f"{key}.bias"]})
            return layer.requires_grad_(False)

        layers = [conv(0)]
        self.taps = []
        for name, key in (
            ("1_1", 2), ("1_2", 5), ("", 0), ("2_1", 9), ("2_2", 12), ("", 0),
            ("3_1", 16), ("3_2", 19), ("3_3", 22), ("3_4", 25), ("", 0), ("4_1", 29),
        ):  # fmt: skip
            layers += [nn.ReflectionPad2d(1), conv(key), nn.ReLU()] if name else [nn.MaxPool2d(2)]
            if name.endswith("_1"):
                self.taps.append(len(layers) - 1)
        self.network, self.unit = nn.Sequential(*layers), STYLE_UNIT
        with torch.no_grad():
            self.content = self.seen(content)[2]
            self.grams = [self.gram(f) for f in self.seen(style)]
        self.start = content

    def seen(self, picture: Any) -> list[Any]:
        found = []
        for number, layer in enumerate(self.network):
            picture = layer(picture)
            if number in self.taps:
                found.append(picture)
        return found

    def gram(self, features: Any) -> Any:
        rows = features.flatten(2)[0]
        return rows @ rows.T / rows.shape[1]

    def loss(self, picture: Any) -> Any:
        seen = self.seen(picture)
        cells = self.content[0, 0].numel()
        unit = self.content.square().sum() + cells * self.grams[2].trace()
        content = (seen[2] - self.content).square().sum() / unit
        style = sum(
            (self.gram(f) - wanted).square().sum() / wanted.square().sum()
            for f, wanted in zip(seen, self.grams, strict=True)
        ) / len(seen)
        return (content + self.unit * style) / 2

    def optimise(self, steps: int) -> Any:
        import torch

        picture = self.start.clone().requires_grad_(True)
        search = torch.optim.LBFGS(
            [picture], max_iter=steps, max_eval=steps, tolerance_grad=0, tolerance_change=0
        )

        def closure() -> Any:
            with torch.no_grad():
                picture.clamp_(0, 1)
            search.zero_grad()
            loss = self.loss(picture)
            loss.backward()
            return loss

        search.step(closure)
        return picture.detach().clamp(0, 1)


if __name__ == "__main__":
    main()
