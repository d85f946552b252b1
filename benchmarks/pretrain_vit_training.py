"""Training of ``pretrain_vit.py``: open_clip's contrastive loss on crops of two sizes, one image a class in a batch."""

import argparse
import math
from collections.abc import Mapping, Sequence

import numpy as np
import open_clip
import torch
from pretrain_vit_scenes import Scene, count_steps, draw_batches, draw_crop
from torch import Tensor, nn
from torch.nn import functional as F

from segsr_arch.errors import DivergenceError
from segsr_arch.evaluation.vocabulary import Vocabulary
from segsr_arch.running.progress import progress

LARGER = 2  # times as wide are some crops
_WARMUP = 0.05  # share of the steps
_LARGEST_LOGIT_SCALE = math.log(100)  # as in CLIP


def build_optimizer(
    model: nn.Module, *, lr: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Build AdamW and its schedule: a linear warm-up, then a cosine to zero.

    Matrices alone decay; the embeddings of words that no caption holds would shrink to nothing.
    """
    matrices, others = [], []
    for name, parameter in model.named_parameters():
        (others if parameter.ndim < 2 or "embedding" in name else matrices).append(parameter)
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98), eps=1e-6, fused=True)
    warmup = max(1, round(_WARMUP * steps))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 + 0.5 * math.cos(math.pi * (step - warmup) / max(1, steps - warmup))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def stretch_positions(visual: nn.Module, factor: int) -> Tensor:
    """Resize the position embedding to images so many times as wide, as the guide does (bicubic, class entry kept).

    Args:
        visual: open_clip vision tower.
        factor: Of both sides.

    Returns:
        (1 + rows * columns, width), a function of the tower's own; that itself for a factor of 1.
    """
    embedding = visual.positional_embedding
    if factor == 1:
        return embedding
    grid = embedding[1:].T.reshape(1, -1, *visual.grid_size)
    size = [factor * side for side in visual.grid_size]
    grid = F.interpolate(grid, size=size, mode="bicubic", align_corners=False)
    return torch.cat([embedding[:1], grid.flatten(2)[0].T])


def train_model(
    content: Mapping,
    scenes: Sequence[Scene],
    *,
    classes: Sequence[str],
    vocabulary: Vocabulary,
    options: argparse.Namespace,
) -> tuple[open_clip.CLIP, list[float]]:
    """Train a model from random weights by open_clip's contrastive loss.

    Args:
        content: As :func:`read_configuration` gives it.
        scenes: Training images.
        classes: Their class names.
        vocabulary: The words of the classes, in the same order.
        options: ``epochs``, ``batch``, ``lr``, ``degraded``, ``large``, ``scale`` and ``seed`` are read.

    Returns:
        The model in evaluation mode, and the mean loss of each epoch.

    Raises:
        DivergenceError: If the loss is no longer finite.
    """
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    architecture = {"quick_gelu": False, **content["model_cfg"]}
    model = open_clip.CLIP(**{key: architecture[key] for key in ("embed_dim", "vision_cfg", "text_cfg", "quick_gelu")})
    tokenizer = open_clip.SimpleTokenizer(context_length=model.context_length)
    tokens = torch.stack([tokenizer(vocabulary.sentences(term)) for term in vocabulary.terms])
    mean, std = (torch.tensor(content["preprocess_cfg"][key]).view(3, 1, 1) for key in ("mean", "std"))
    crops = {"scale": options.scale, "degraded": options.degraded, "rng": rng}
    labels = [classes.index(scene.label) for scene in scenes]
    steps = count_steps(labels, options.batch)
    optimizer, schedule = build_optimizer(model, lr=options.lr, steps=options.epochs * steps)
    contrastive, curve = open_clip.ClipLoss(), []
    model.train()
    with progress(total=options.epochs * steps, what="training", unit="step") as bar:
        for epoch in range(1, options.epochs + 1):
            total = 0.0
            for batch in draw_batches(labels, options.batch, rng):
                factor = LARGER if rng.random() < options.large else 1
                size = factor * model.visual.image_size[0]
                images = torch.stack([draw_crop(scenes[index], size=size, **crops) for index in batch])
                templates = rng.integers(tokens.shape[1], size=len(batch))
                captions = tokens[[labels[index] for index in batch], templates]
                positions = {"visual.positional_embedding": stretch_positions(model.visual, factor)}
                features = torch.func.functional_call(model, positions, ((images - mean) / std, captions))
                loss = contrastive(*features[:3])
                if not torch.isfinite(loss):
                    raise DivergenceError(f"The loss became {loss.item()} in epoch {epoch}; lower --lr {options.lr:g}.")
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                with torch.no_grad():
                    model.logit_scale.clamp_(0, _LARGEST_LOGIT_SCALE)
                total += loss.item()
                bar.update()
            curve.append(total / steps)
            bar.set_postfix(epoch=epoch, loss=f"{curve[-1]:.3f}")
    return model.eval(), curve
