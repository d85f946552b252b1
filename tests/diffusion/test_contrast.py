"""The contrastive loss: no leak, no false negatives, a momentum encoder that moves, a queue that resumes."""

import copy

import pytest
import torch
from torch import nn

from segsr_arch.diffusion.learning.contrast import ContrastOptions, MomentumContrast
from segsr_arch.errors import ConfigError


def build(encoder=None, **options):
    torch.manual_seed(0)
    encoder = encoder or nn.Linear(4, 6)
    values = {"queue": 8, "dimension": 5, **options}
    return encoder, MomentumContrast(encoder, width=6, options=ContrastOptions(**values)).train()


def step(encoder, contrast, images, ids):
    return contrast(encoder(images), lambda keys: keys(images), None if ids is None else torch.tensor(ids))


def test_the_loss_is_the_cross_entropy_of_the_own_image_against_all_others():
    encoder, contrast = build(temperature=0.5)
    images = torch.randn(3, 4)
    loss = step(encoder, contrast, images, None)
    embedded = nn.functional.normalize(contrast.query_head(encoder(images)), dim=-1)
    expected = nn.functional.cross_entropy(embedded @ embedded.T / 0.5, torch.arange(3))
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert encoder.weight.grad is not None and all(p.grad is None for p in contrast.key_encoder.parameters())


def test_crops_of_one_image_are_no_negatives_in_the_batch_or_in_the_queue():
    encoder, contrast = build()
    images = torch.randn(2, 4)
    assert float(step(encoder, contrast, images, [7, 7])) == pytest.approx(0.0, abs=1e-6)
    assert float(step(encoder, contrast, images, [7, 7])) == pytest.approx(0.0, abs=1e-6)
    assert float(step(encoder, contrast, images, [7, 8])) > 0.1


def test_the_queue_holds_the_last_images_in_turn():
    encoder, contrast = build(queue=3)
    for number in range(4):
        step(encoder, contrast, torch.randn(1, 4), [number])
    assert contrast.ids.tolist() == [3, 1, 2] and int(contrast.place) == 1
    step(encoder, contrast, torch.randn(5, 4), [10, 11, 12, 13, 14])
    assert sorted(contrast.ids.tolist()) == [12, 13, 14]
    before = contrast.queue.clone()
    step(encoder, contrast.eval(), torch.randn(1, 4), [20])
    assert torch.equal(contrast.queue, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_momentum_encoder_moves_in_float32_whatever_the_network_is_in(dtype):
    encoder, contrast = build()
    encoder, contrast = encoder.to(dtype), contrast.to(dtype)
    key = contrast.key_encoder.weight
    assert key.dtype == torch.float32
    before = key.clone()
    with torch.no_grad():
        encoder.weight += 1
    contrast.follow(encoder)
    moved = (key - before).mean()
    assert float(moved) == pytest.approx(0.001, rel=0.05)  # in bfloat16 it would be nothing


def test_under_autocast_the_loss_of_given_features_is_that_of_float32():
    """In bfloat16 similarities of up to 1 / .07 would be rounded to sixteenths."""
    losses = []
    for enabled in (False, True):
        encoder, contrast = build()
        features = encoder(torch.randn(6, 4)).detach()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            losses.append(float(contrast(features, lambda _, features=features: features + 0.3, None)))
    assert losses[0] == losses[1] > 0.1


def test_under_autocast_the_keys_are_float32():
    encoder, contrast = build()
    images = torch.randn(2, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = step(encoder, contrast, images, [0, 1])
    expected = nn.functional.normalize(contrast.key_head(contrast.key_encoder(images)), dim=-1)
    assert torch.equal(contrast.queue[:2], expected) and loss.dtype == torch.float32


def test_it_goes_on_from_its_state_as_if_it_had_not_been_stopped():
    encoder, contrast = build()
    generator = torch.Generator().manual_seed(1)
    batches = [torch.randn(3, 4, generator=generator) for _ in range(6)]

    def train(encoder, contrast, batches):
        for number, images in enumerate(batches):
            with torch.no_grad():
                encoder.weight += 0.01
            contrast.follow(encoder)
            step(encoder, contrast, images, [number] * 3)
        return contrast.state_dict()

    train(encoder, contrast, batches[:3])
    fresh_encoder, fresh = build(nn.Linear(4, 6))
    fresh.load_state_dict(copy.deepcopy(contrast.state_dict()))
    fresh_encoder.load_state_dict(copy.deepcopy(encoder.state_dict()))
    straight, resumed = train(encoder, contrast, batches[3:]), train(fresh_encoder, fresh, batches[3:])
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)


def test_a_queue_as_long_as_the_data_set_is_refused():
    options = ContrastOptions(queue=100)
    options.check_queue(101)
    for images in (100, 20):
        with pytest.raises(ConfigError, match=rf"queue: 100 is not below the {images} images.*set it to {images // 2}"):
            options.check_queue(images)
