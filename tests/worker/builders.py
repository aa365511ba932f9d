"""Diffusion models of real classes with random weights, written as their makers would: folders, files, adapters.

Needs the worker's environment. Every builder draws its weights from a seed, so that two builds are the same bytes.
shape: "tiny" (some thousand weights, for tests), "sd15" or "sdxl" (the size of the real ones, for measurements).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors.torch import save_file
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

CHARACTERS = [chr(c) for c in range(33, 127)]
VOCABULARY = ["<|startoftext|>", "<|endoftext|>", *CHARACTERS, *(f"{c}</w>" for c in CHARACTERS)]
TINY_TEXT = 16
TINY_CHANNELS = (8, 16)


# --- whole pipelines -------------------------------------------------------------------------------------------------


def build_sd(
    folder: Path,
    shape: str = "tiny",
    *,
    seed: int = 0,
    inpaint: bool = False,
    safety: bool = False,
    text: int = TINY_TEXT,
    half: bool = False,
) -> Path:
    """A Stable Diffusion 1.5 folder. inpaint: of nine input channels. safety: with a checker. text: width of "tiny"."""
    tokenizer = _tokenizer()
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    with _drawn_from(seed):
        parts = {
            "unet": _unet(shape, 9 if inpaint else 4, text),
            "vae": _vae(shape),
            "text_encoder": _text_encoder(shape, tokenizer, text),
            "safety_checker": _checker() if safety else None,
        }
    kind = StableDiffusionInpaintPipeline if inpaint else StableDiffusionPipeline
    pipeline = kind(
        **parts,
        tokenizer=tokenizer,
        scheduler=scheduler,
        feature_extractor=_pictures(32) if safety else None,
        requires_safety_checker=safety,
    )
    return _saved(pipeline, folder, half)


def build_sdxl(folder: Path, shape: str = "tiny", *, seed: int = 0, half: bool = False) -> Path:
    """A Stable Diffusion XL folder. shape: "tiny" or "sdxl"."""
    tokenizer = _tokenizer()
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading"
    )
    with _drawn_from(seed):
        pipeline = StableDiffusionXLPipeline(
            vae=_vae(shape, xl=True),
            text_encoder=_text_encoder("sd15" if shape == "sdxl" else shape, tokenizer, TINY_TEXT),
            text_encoder_2=_second_text_encoder(shape, tokenizer),
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            unet=_unet_xl(shape),
            scheduler=scheduler,
            add_watermarker=False,
        )
    return _saved(pipeline, folder, half)


def build_sd3(folder: Path, *, seed: int = 0) -> Path:
    """A Stable Diffusion 3 folder, without its third text encoder: a transformer, and 16 channels a latent."""
    tokenizer, width = _tokenizer(), 2 * TINY_TEXT
    with _drawn_from(seed):
        pipeline = StableDiffusion3Pipeline(
            transformer=_lively(
                SD3Transformer2DModel(
                    sample_size=8,
                    patch_size=2,
                    in_channels=16,
                    out_channels=16,
                    num_layers=2,
                    attention_head_dim=8,
                    num_attention_heads=2,
                    joint_attention_dim=width,
                    caption_projection_dim=16,
                    pooled_projection_dim=width,
                    pos_embed_max_size=32,
                )
            ),
            vae=_vae("tiny", latents=16),
            text_encoder=_second_text_encoder("tiny", tokenizer),
            text_encoder_2=_second_text_encoder("tiny", tokenizer),
            text_encoder_3=None,
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            tokenizer_3=None,
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        )
    return _saved(pipeline, folder, half=False)


def build_flux(folder: Path, *, seed: int = 0) -> Path:
    """A Flux folder: a transformer whose latents are a sequence of patches."""
    tokenizer, words = _tokenizer(), ["<pad>", "</s>", "<unk>", "\u2581", *CHARACTERS]
    with _drawn_from(seed):
        pipeline = FluxPipeline(
            transformer=_lively(
                FluxTransformer2DModel(
                    patch_size=1,
                    in_channels=64,
                    num_layers=1,
                    num_single_layers=1,
                    attention_head_dim=16,
                    num_attention_heads=2,
                    joint_attention_dim=2 * TINY_TEXT,
                    pooled_projection_dim=TINY_TEXT,
                    guidance_embeds=True,
                    axes_dims_rope=(4, 4, 8),
                )
            ),
            vae=_vae("tiny", latents=16),
            text_encoder=_text_encoder("tiny", tokenizer, TINY_TEXT),
            text_encoder_2=T5EncoderModel(
                T5Config(vocab_size=len(words), d_model=2 * TINY_TEXT, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
            ),
            tokenizer=tokenizer,
            tokenizer_2=T5Tokenizer(vocab=[(word, -1.0) for word in words], extra_ids=0),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        )
    return _saved(pipeline, folder, half=False)


def build_single_file(file: Path, *, seed: int = 0) -> Path:
    """One .safetensors in the layout of the first Stable Diffusion, with the folder of its configuration beside it.

    The weights are those of build_sd(seed=seed). The folder has the file's name without its end and holds no weights.
    """
    folder = build_sd(file.with_suffix(""), seed=seed)
    pipeline = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    tensors = {f"model.diffusion_model.{name}": value for name, value in _unet_as_first_written(pipeline.unet)}
    tensors |= {f"first_stage_model.{name}": value for name, value in _vae_as_first_written(pipeline.vae)}
    for name, value in pipeline.text_encoder.state_dict().items():
        tensors[f"cond_stage_model.transformer.text_model.{name.removeprefix('text_model.')}"] = value
    save_file({name: value.contiguous() for name, value in tensors.items()}, file)
    for weights in folder.rglob("*.safetensors"):
        weights.unlink()
    return file


# --- what is put on a pipeline ---------------------------------------------------------------------------------------


def build_controlnet(folder: Path, pipeline: Path, *, seed: int = 1, half: bool = False) -> Path:
    """A ControlNet for the pipeline in that folder, every one of its weights at work (a new one's last are zero)."""
    unet = UNet2DConditionModel.from_pretrained(pipeline, subfolder="unet", local_files_only=True)
    channels = (16, 32, 96, 256) if unet.config.block_out_channels[0] >= 64 else (4, 4, 8, 8)
    with _drawn_from(seed):
        net = ControlNetModel.from_unet(
            unet, conditioning_embedding_out_channels=channels, load_weights_from_unet=False
        )
        silent = [parameter for parameter in net.parameters() if not parameter.any()]
        _lively(net)
        for parameter in silent:
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    (net.half() if half else net).save_pretrained(folder)
    return folder


def build_lora(file: Path, pipeline: Path, *, seed: int = 2, rank: int = 2) -> Path:
    """A LoRA on the attention of that folder's UNet, strong enough to be seen."""
    unet = UNet2DConditionModel.from_pretrained(pipeline, subfolder="unet", local_files_only=True)
    tensors = {}
    with _drawn_from(seed):
        for name, layer in unet.named_modules():
            if name.endswith(("to_q", "to_k", "to_v", "to_out.0")):
                tensors[f"unet.{name}.lora_A.weight"] = torch.randn(rank, layer.in_features)
                tensors[f"unet.{name}.lora_B.weight"] = torch.randn(layer.out_features, rank)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file)
    return file


def build_ip_adapter(file: Path, pipeline: Path, *, seed: int = 3) -> Path:
    """An IP-Adapter for that folder's UNet, with its image encoder in the folder image_encoder beside it."""
    unet = UNet2DConditionModel.from_pretrained(pipeline, subfolder="unet", local_files_only=True)
    width, tokens, seen = unet.config.cross_attention_dim, 4, 16
    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=seen,
    )
    with _drawn_from(seed):
        encoder = CLIPVisionModelWithProjection(config)
        tensors = {
            "image_proj.proj.weight": torch.randn(tokens * width, seen),
            "image_proj.proj.bias": torch.randn(tokens * width),
            "image_proj.norm.weight": torch.ones(width),
            "image_proj.norm.bias": torch.zeros(width),
        }
        modules = dict(unet.named_modules())
        for number, name in enumerate(unet.attn_processors):
            if "attn2" in name:
                like = modules[name.removesuffix(".processor")].to_k.weight
                for part in ("to_k_ip", "to_v_ip"):
                    tensors[f"ip_adapter.{number}.{part}.weight"] = torch.randn_like(like)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file)
    encoder.save_pretrained(file.parent / "image_encoder")
    return file


# --- their parts -----------------------------------------------------------------------------------------------------


class _drawn_from:
    """Inside it, torch draws from this seed, and outside from where it was."""

    def __init__(self, seed: int) -> None:
        self._seed, self._before = seed, torch.get_rng_state()

    def __enter__(self) -> None:
        torch.manual_seed(self._seed)

    def __exit__(self, *_: object) -> None:
        torch.set_rng_state(self._before)


def _saved(pipeline: Any, folder: Path, half: bool) -> Path:
    (pipeline.to(dtype=torch.float16) if half else pipeline).save_pretrained(folder, safe_serialization=True)
    return folder


def _tokenizer() -> CLIPTokenizer:
    """Letter by letter."""
    return CLIPTokenizer(vocab={word: i for i, word in enumerate(VOCABULARY)}, merges=[], model_max_length=77)


def _text_config(tokenizer: CLIPTokenizer, **about: Any) -> CLIPTextConfig:
    return CLIPTextConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **about,
    )


def _text_encoder(shape: str, tokenizer: CLIPTokenizer, width: int) -> CLIPTextModel:
    if shape == "sd15":
        about = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
        return CLIPTextModel(_text_config(tokenizer, **about, vocab_size=49408))
    about = {"hidden_size": width, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return _lively(CLIPTextModel(_text_config(tokenizer, **about, vocab_size=len(VOCABULARY))))


def _second_text_encoder(shape: str, tokenizer: CLIPTokenizer) -> CLIPTextModelWithProjection:
    if shape == "sdxl":
        about = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20}
        config = _text_config(tokenizer, **about, vocab_size=49408, projection_dim=1280, hidden_act="gelu")
        return CLIPTextModelWithProjection(config)
    about = {"hidden_size": TINY_TEXT, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = _text_config(tokenizer, **about, vocab_size=len(VOCABULARY), projection_dim=TINY_TEXT)
    return _lively(CLIPTextModelWithProjection(config))


def _unet(shape: str, channels: int, text: int) -> UNet2DConditionModel:
    if shape == "sd15":
        return UNet2DConditionModel(sample_size=64, in_channels=channels, cross_attention_dim=768, attention_head_dim=8)
    return _lively(
        UNet2DConditionModel(
            sample_size=8,
            in_channels=channels,
            block_out_channels=TINY_CHANNELS,
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=text,
            attention_head_dim=2,
            norm_num_groups=4,
        )
    )


def _unet_xl(shape: str) -> UNet2DConditionModel:
    blocks = {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
    }
    if shape == "sdxl":
        return UNet2DConditionModel(
            **blocks,
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048,
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )
    return _lively(
        UNet2DConditionModel(
            **blocks,
            sample_size=8,
            layers_per_block=1,
            block_out_channels=(8, 16, 16),
            transformer_layers_per_block=1,
            attention_head_dim=2,
            cross_attention_dim=2 * TINY_TEXT,
            norm_num_groups=4,
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + TINY_TEXT,
        )
    )


def _vae(shape: str, latents: int = 4, xl: bool = False) -> AutoencoderKL:
    """Eight pixels a latent, as the real ones."""
    tiny = shape == "tiny"
    channels = (8, 8, 8, 8) if tiny else (128, 256, 512, 512)
    vae = AutoencoderKL(
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1 if tiny else 2,
        latent_channels=latents,
        norm_num_groups=4 if tiny else 32,
        sample_size=64 if tiny else 512,
        scaling_factor=0.13025 if xl else 0.18215,
        shift_factor=0.0609 if latents == 16 else None,
        force_upcast=xl,
    )
    return _lively(vae) if tiny else vae


def _checker() -> StableDiffusionSafetyChecker:
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**small, "image_size": 32, "patch_size": 8}
    return StableDiffusionSafetyChecker(CLIPConfig(text_config=small, vision_config=vision, projection_dim=16))


def _pictures(side: int) -> CLIPImageProcessorPil:
    return CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})


def _lively(model: Any) -> Any:
    """Weights large enough that prompt, noise and picture all show in the result."""
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=(parameter[0].numel()) ** -0.5 if "embedding" not in name else 1.0)
    return model


# --- the layout of the first Stable Diffusion ------------------------------------------------------------------------


def _unet_as_first_written(unet: UNet2DConditionModel) -> Iterator[tuple[str, torch.Tensor]]:
    """The inverse of what diffusers does on loading a single file."""
    blocks, layers = len(unet.config.block_out_channels), unet.config.layers_per_block
    places = {
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "conv_in": "input_blocks.0.0",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        "mid_block.resnets.0": "middle_block.0",
        "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2",
    }
    for block in range(blocks):
        for layer in range(layers):
            at = block * (layers + 1) + layer + 1
            places[f"down_blocks.{block}.resnets.{layer}"] = f"input_blocks.{at}.0"
            places[f"down_blocks.{block}.attentions.{layer}"] = f"input_blocks.{at}.1"
        places[f"down_blocks.{block}.downsamplers.0.conv"] = f"input_blocks.{(block + 1) * (layers + 1)}.0.op"
        for layer in range(layers + 1):
            at = block * (layers + 1) + layer
            places[f"up_blocks.{block}.resnets.{layer}"] = f"output_blocks.{at}.0"
            places[f"up_blocks.{block}.attentions.{layer}"] = f"output_blocks.{at}.1"
        attends = "CrossAttn" in unet.config.up_block_types[block]
        places[f"up_blocks.{block}.upsamplers.0.conv"] = (
            f"output_blocks.{block * (layers + 1) + layers}.{2 if attends else 1}.conv"
        )
    resnet = {
        "norm1": "in_layers.0",
        "conv1": "in_layers.2",
        "time_emb_proj": "emb_layers.1",
        "norm2": "out_layers.0",
        "conv2": "out_layers.3",
        "conv_shortcut": "skip_connection",
    }
    for name, value in unet.state_dict().items():
        place = next(p for p in sorted(places, key=len, reverse=True) if name.startswith(f"{p}."))
        rest = name.removeprefix(f"{place}.")
        if ".resnets." in name:
            part, _, kind = rest.rpartition(".")
            rest = f"{resnet[part]}.{kind}"
        yield f"{places[place]}.{rest}", value


def _vae_as_first_written(vae: AutoencoderKL) -> Iterator[tuple[str, torch.Tensor]]:
    last = len(vae.config.block_out_channels) - 1
    words = [
        (".downsamplers.0.", ".downsample."),
        (".upsamplers.0.", ".upsample."),
        (".conv_shortcut.", ".nin_shortcut."),
        (".conv_norm_out.", ".norm_out."),
        (".mid_block.resnets.0.", ".mid.block_1."),
        (".mid_block.resnets.1.", ".mid.block_2."),
        (".mid_block.attentions.0.", ".mid.attn_1."),
        (".group_norm.", ".norm."),
        (".to_q.", ".q."),
        (".to_k.", ".k."),
        (".to_v.", ".v."),
        (".to_out.0.", ".proj_out."),
        *((f".up_blocks.{i}.", f".up.{last - i}.") for i in range(last + 1)),
        (".down_blocks.", ".down."),
        (".resnets.", ".block."),
    ]
    for name, value in vae.state_dict().items():
        for ours, theirs in words:
            name = name.replace(ours, theirs)
        yield name, value[..., None, None] if "attn_1" in name and value.ndim == 2 else value
