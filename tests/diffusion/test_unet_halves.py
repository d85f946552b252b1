import pytest
import torch
from diffusers import UNet2DConditionModel

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.diffusion.steering.unet_halves import decode, encode
from tests.support import TINY_MSSD

SMALL = {
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [8, 16],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "attention_head_dim": 4,
    "cross_attention_dim": 12,
}
KINDS = {
    "Stable Diffusion 1.5": {},
    "SDXL": {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 6,
        "projection_class_embeddings_input_dim": 6 * 6 + 10,
        "use_linear_projection": True,
        "transformer_layers_per_block": [1, 2],
    },
    "without attention in the middle": {"mid_block_type": "UNetMidBlock2D"},
    "without a middle": {"mid_block_type": None},
    "centred": {"center_input_sample": True, "time_embedding_act_fn": "silu", "norm_num_groups": 8},
}


@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_halves_give_what_the_unet_gives(kind, size):
    torch.manual_seed(0)
    unet = UNet2DConditionModel(**SMALL | KINDS[kind]).eval()
    latents, t, text = torch.randn(2, 4, *size), torch.tensor([3.5, 900.0]), torch.randn(2, 5, 12)
    added = {"text_embeds": torch.randn(2, 10), "time_ids": torch.rand(2, 6)} if kind == "SDXL" else None
    with torch.no_grad():
        encoded = encode(unet, latents, t, text, added=added)
        down = tuple(torch.randn_like(skip) for skip in encoded.skips)
        middle = torch.randn_like(encoded.deepest)
        whole = unet(
            latents,
            t,
            text,
            added_cond_kwargs=added,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample
        assert torch.equal(decode(unet, encoded, down=down, middle=middle), whole)
        second = decode(unet, encoded.some(torch.tensor([1])), down=tuple(skip[1:] for skip in down), middle=middle[1:])
        torch.testing.assert_close(second, whole[1:], atol=1e-5, rtol=1e-5)


@pytest.fixture
def steered():
    """A UNet that its ControlNet and pixel attention add something to, as they do not before training."""
    torch.manual_seed(0)
    steered = MSSD(**TINY_MSSD, scale=2, pixel_attention=True).unet.eval().requires_grad_(False)
    for module in (steered.stem, steered.control, steered.attention):
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return steered


def test_a_step_of_mssd_is_that_of_its_unet_with_what_the_controlnet_and_the_pixel_attention_add(steered):
    latents, t, unet = torch.randn(2, 48, 6, 7), torch.tensor([20, 800]), steered.parts.unet
    steering = steered.steering(steered.stem(torch.rand(2, 3, 24, 28)).features, ["roofs", "fields"])
    control = steered.control(latents, t, steering.text.tokens, steering.features)
    added = {"down_block_additional_residuals": control.down, "mid_block_additional_residual": control.middle}
    with steered.attention.attending(unet, control.levels):
        whole = unet(latents, t, steering.text.tokens, **added).sample
    assert torch.equal(steered.predict(latents, t, steering), whole)
    assert not torch.allclose(whole, unet(latents, t, steering.text.tokens, **added).sample)


def test_another_lr_image_changes_the_prediction_and_not_the_features_before_the_middle(steered):
    latents, t, seen = torch.randn(1, 48, 8, 8), torch.tensor([500]), []
    steered.parts.unet.mid_block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    dark, bright = (
        steered.predict(latents, t, steered.steering(steered.stem(image).features, None))
        for image in (torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32))
    )
    assert torch.equal(*seen) and (dark - bright).abs().max() > 1e-3
