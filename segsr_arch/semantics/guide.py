"""The semantic guide: from an LR image to one map a unit, and from maps to modulated features."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from segsr_arch.semantics.config import SemanticsConfig
from segsr_arch.semantics.feature_extraction import SemanticFeatureExtraction
from segsr_arch.semantics.localization import SemanticLocalization
from segsr_arch.semantics.maps import cosine_maps, resize_maps
from segsr_arch.semantics.modulation import LearnableModulation


@dataclass(frozen=True, kw_only=True)
class GuideView:
    """What a guide sees in LR images, all of it in the joint space of the vision-language model.

    Attributes:
        global_feature: I_g (B, C).
        local_features: I_l (B, C, Hc, Wc), one token a patch.
        embeddings: Localization embeddings e_1..e_k (B, k, C).
        maps: M_1..M_k on the patch grid (B, k, Hc, Wc), float32, in [-1, 1] up to rounding.
    """

    global_feature: Tensor
    local_features: Tensor
    embeddings: Tensor
    maps: Tensor


class SemanticGuide(nn.Module):
    """SFEM, SLM and LMM together (SeG-SR, section III); it knows units by number and channel count alone.

    Args:
        config: Options of the guide.
        unit_channels: Channel count of each unit's output; its length is the number k of units.
        scale: Upscaling factor s of the network that is guided.

    Raises:
        ConfigError: If an option does not fit the vision-language model.
        WeightsError: If its weights cannot be had, read, or do not fit.

    Attributes:
        config: The options that it was built from.
    """

    def __init__(self, *, config: SemanticsConfig, unit_channels: Sequence[int], scale: int) -> None:
        super().__init__()
        self.config = config
        self.feature_extraction = SemanticFeatureExtraction(config=config, scale=scale)
        self.localization = SemanticLocalization(
            num_units=len(unit_channels),
            embed_dim=self.feature_extraction.embed_dim,
            num_heads=config.num_heads,
            reduction=config.metanet_reduction,
        )
        self.modulation = nn.ModuleList(
            LearnableModulation(channels=channels, hidden_channels=config.modulation_channels)
            for channels in unit_channels
        )

    def forward(self, lq: Tensor) -> Tensor:
        """Compute the guidance maps on the patch grid (SeG-SR eq. 1-8, before the upsampling).

        Args:
            lq: LR images (B, 3, H, W), RGB in [0, 1].

        Returns:
            Maps (B, k, Hc, Wc), float32, in [-1, 1] up to rounding.
        """
        return self.view(lq).maps

    def view(self, lq: Tensor) -> GuideView:
        """Compute the maps with all that they are made of (SeG-SR eq. 1-8).

        Args:
            lq: LR images (B, 3, H, W), RGB in [0, 1].

        Returns:
            Features, embeddings and maps.
        """
        global_feature, local_features = self.feature_extraction(lq)
        embeddings = self.localization(global_feature)
        return GuideView(
            global_feature=global_feature,
            local_features=local_features,
            embeddings=embeddings,
            maps=cosine_maps(embeddings, local_features),
        )

    def resize(self, maps: Tensor, size: tuple[int, int], *, stride: float = 1) -> Tensor:
        """Resize maps (B, k, Hc, Wc) to a grid (B, k, height, width) whose cells are ``stride`` LR pixels wide."""
        step = stride * self.feature_extraction.scale / self.feature_extraction.patch_size
        return resize_maps(maps, size, step=step)

    def modulate(self, unit: int, features: Tensor, maps: Tensor, *, stride: float = 1) -> Tensor:
        """Modulate a unit's features by its map (SeG-SR eq. 9).

        Args:
            unit: Number of the unit, from 0.
            features: (B, H, W, F), channels last; the grid may reach beyond the image.
            maps: (B, k, Hc, Wc) as :meth:`forward` returns them.
            stride: Side of a cell of the features, in LR pixels.

        Returns:
            The modulated features (B, H, W, F).
        """
        size = (features.shape[1], features.shape[2])
        guidance_map = self.resize(maps[:, unit : unit + 1], size, stride=stride)
        return self.modulation[unit](features, guidance_map.to(features.dtype))
