"""Semantic Feature Extraction Module (SFEM): what a vision-language model sees in the LR image (SeG-SR eq. 1-4)."""

import torch
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from segsr_arch.freezing import KeepsFrozenOut
from segsr_arch.padding import pad_to_multiple
from segsr_arch.semantics.attention import split_attention
from segsr_arch.semantics.config import SemanticsConfig
from segsr_arch.semantics.lora import add_lora, fold_lora, is_lora
from segsr_arch.semantics.vision_tower import build_vision_tower
from segsr_arch.tracing import is_exporting


class SemanticFeatureExtraction(KeepsFrozenOut):
    """SFEM: the frozen vision tower with LoRA, from an LR image to one global and many local features.

    The frozen weights never enter a state dict; :attr:`identity` says which ones they are.

    Args:
        config: Which model, which weights, which LoRA.
        scale: Upsampling factor s in front of the tower.

    Attributes:
        patch_size: Side p of a patch, in pixels of the upsampled image.
        embed_dim: Joint width C of the vision-language model.

    Raises:
        ConfigError: If the model is not known or is no plain ViT.
        WeightsError: If its weights cannot be had, read, or do not fit.
    """

    frozen_noun = "vision-language model"
    frozen_remedy = "Set network_g: semantics: vlm and pretrained to the one that the checkpoint was trained with."

    visual: VisionTransformer
    mean: Tensor
    std: Tensor

    def __init__(self, *, config: SemanticsConfig, scale: int) -> None:
        super().__init__()
        tower = build_vision_tower(config)
        visual = tower.visual
        visual.patch_dropout = nn.Identity()
        split_attention(visual.transformer.resblocks)
        self.visual = add_lora(visual, config)
        self.freeze("visual", identity=tower.identity, is_trained=is_lora)
        self.earlier_tokens = config.earlier_tokens
        self.scale = scale
        self.patch_size: int = visual.conv1.kernel_size[0]
        self.embed_dim: int = visual.proj.shape[1]
        self.register_buffer("mean", torch.tensor(tower.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(tower.std).view(1, 3, 1, 1), persistent=False)

    def fold(self) -> None:
        """Make LoRA part of the tower's weights, which enter state dicts from now on; it cannot be trained any more."""
        if self.keeps_frozen_out:
            fold_lora(self.visual)
            self.take_in_frozen()

    def _position_embedding(self, rows: int, columns: int) -> Tensor:
        """Position embedding (1 + rows * columns, width), its patch grid resized in 2-D, the class entry kept."""
        embedding: Tensor = self.visual.positional_embedding
        grid_rows, grid_columns = self.visual.grid_size
        if not is_exporting() and (rows, columns) == (grid_rows, grid_columns):
            return embedding
        grid = embedding[1:].T.reshape(1, -1, grid_rows, grid_columns)
        with torch.autocast(embedding.device.type, enabled=False):
            grid = F.interpolate(grid.float(), size=(rows, columns), mode="bicubic", align_corners=False)
        return torch.cat([embedding[:1], grid.to(embedding.dtype).flatten(2)[0].T])

    def enlarge(self, lq: Tensor) -> Tensor:
        """Bring LR images (B, 3, H, W) to the size that the tower sees, (B, 3, sH, sW), bilinearly (eq. 1)."""
        size = (lq.shape[-2] * self.scale, lq.shape[-1] * self.scale)
        return F.interpolate(lq, size=size, mode="bilinear", align_corners=False)

    def forward(self, lq: Tensor) -> tuple[Tensor, Tensor]:
        """Extract the features of LR images (B, 3, H, W), RGB in [0, 1], of any size; returns what :meth:`see` does."""
        return self.see(self.enlarge(lq))

    def see(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Extract the features of images as large as HR images.

        Args:
            images: (B, 3, sH, sW), RGB in [0, 1], of any size.

        Returns:
            I_g (B, C) and I_l (B, C, Hc, Wc) with Hc = ceil(sH / patch_size), both after the tower's last
            normalisation and its projection into the joint space. With ``earlier_tokens`` I_l is the sum of the unit
            vectors of the last tokens and of those so many blocks before, which take the same way into that space.
        """
        dtype = images.dtype
        images = pad_to_multiple((images - self.mean.to(dtype)) / self.std.to(dtype), self.patch_size)
        visual = self.visual
        patches = visual.conv1(images.to(visual.conv1.weight.dtype))
        rows, columns = patches.shape[-2:]
        tokens = patches.flatten(2).transpose(1, 2)
        class_token = visual.class_embedding.to(tokens.dtype).expand(tokens.shape[0], 1, -1)
        tokens = torch.cat([class_token, tokens], dim=1)
        tokens = visual.ln_pre(tokens + self._position_embedding(rows, columns).to(tokens.dtype))
        blocks, earlier = visual.transformer.resblocks, tokens
        for number, block in enumerate(blocks):
            if number == len(blocks) - self.earlier_tokens:
                earlier = tokens
            tokens = block(tokens)
        joint = visual.ln_post(tokens) @ visual.proj.to(tokens.dtype)
        local = joint[:, 1:]
        if self.earlier_tokens:
            seen_before = visual.ln_post(earlier[:, 1:]) @ visual.proj.to(tokens.dtype)
            local = F.normalize(local, dim=-1) + F.normalize(seen_before, dim=-1)
        local_features = local.transpose(1, 2).unflatten(2, (rows, columns))
        if visual.pool_type == "avg":
            if visual.final_ln_after_pool:
                pooled = visual.ln_post(tokens[:, 1:].mean(dim=1))
                return pooled @ visual.proj.to(tokens.dtype), local_features
            return joint[:, 1:].mean(dim=1), local_features
        return joint[:, 0], local_features
