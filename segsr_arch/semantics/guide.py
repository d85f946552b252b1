"""The semantic guide: from an LR image to signals for the units, and from signals to modulated features."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segsr_arch.errors import ConfigError
from segsr_arch.semantics.config import SemanticsConfig
from segsr_arch.semantics.controls import OtherMaps
from segsr_arch.semantics.feature_extraction import SemanticFeatureExtraction
from segsr_arch.semantics.localization import SemanticLocalization
from segsr_arch.semantics.maps import LearnedUpsampling, cosine_maps, needed_cells, resize_maps, standardise_maps
from segsr_arch.semantics.modulation import FeatureAddition, LearnableModulation
from segsr_arch.semantics.signals import Signals
from segsr_arch.semantics.tokens import TokenStatistics
from segsr_arch.windows import Window


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

    What it computes from an image are *signals* on a grid of patches, and :meth:`modulate` lets one unit have its own:
    guidance maps with the paper's full guide; without SLM (table IV, rows 2 and 3) the local features themselves,
    which are projected to the unit's channels and added to its output, or modulate it.

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
        self._stands_in = False
        used = config.modules.split("+")
        self.feature_extraction = SemanticFeatureExtraction(config=config, scale=scale)
        self.localization: SemanticLocalization | None = None
        self.tokens: TokenStatistics | None = None
        self.others = OtherMaps(num_maps=len(unit_channels)) if config.maps == "shuffled" else None
        self.map_scale: nn.Parameter | None = None
        self.map_upsampling: LearnedUpsampling | None = None
        self.projection: nn.ModuleList | None = None
        width = self.feature_extraction.embed_dim
        if "slm" in used:
            self.localization = SemanticLocalization(
                num_units=len(unit_channels),
                embed_dim=width,
                num_heads=config.num_heads,
                reduction=config.metanet_reduction,
                descriptors=config.descriptors,
                residual=config.attention_residual,
                gate_gain=config.gate_gain,
                past_gate=config.descriptors_past_gate,
            )
            if config.tokens != "raw":
                self.tokens = TokenStatistics(embed_dim=width, kind=config.tokens, removed=config.removed_components)
            if config.learned_map_scale:
                self.map_scale = nn.Parameter(torch.full((len(unit_channels),), float(config.map_scale_start)))
            if config.map_upsampling == "learned":
                # Odd, and nearest to the side of a patch in LR pixels.
                factor = 2 * (self.feature_extraction.patch_size // (2 * scale)) + 1
                self.map_upsampling = LearnedUpsampling(num_maps=len(unit_channels), factor=factor)
        else:
            self.projection = nn.ModuleList(nn.Conv2d(width, channels, 1) for channels in unit_channels)
        if "lmm" in used:
            self.modulation = nn.ModuleList(
                LearnableModulation(
                    channels=channels,
                    hidden_channels=config.modulation_channels,
                    in_channels=1 if self.projection is None else channels,
                    layer_norm=config.layer_norm,
                    residual=config.modulation_residual,
                )
                for channels in unit_channels
            )
        else:
            self.modulation = nn.ModuleList(FeatureAddition() for _ in unit_channels)
            if self.projection is not None:  # an untrained guide changes nothing
                for parameter in self.projection.parameters():
                    nn.init.zeros_(parameter)

    @property
    def has_maps(self) -> bool:
        """Whether the units are guided by maps (SLM)."""
        return self.localization is not None

    def forward(self, lq: Tensor, gt: Tensor | None = None) -> Tensor:
        """Compute the signals of an image (SeG-SR eq. 1-8, before the maps reach the size of a unit).

        Args:
            lq: LR images (B, 3, H, W), RGB in [0, 1].
            gt: HR images (B, 3, sH, sW), which a guide with ``maps: oracle`` sees; no other one looks at them.

        Returns:
            Signals for :meth:`modulate`: (B, k, rows, columns) float32 with SLM, otherwise I_l (B, C, Hc, Wc).

        Raises:
            ConfigError: If the guide is to see HR images and there are none, or none of that size.
        """
        cells = self.cells(*self.extract(lq, gt))
        return self.refine(cells if self.others is None else self.others(cells, lq))

    def extract(self, lq: Tensor, gt: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Compute I_g (B, C) and I_l (B, C, Hc, Wc) (eq. 1-4) of what the guide sees; see :meth:`forward`."""
        if self.config.maps != "oracle":
            features: tuple[Tensor, Tensor] = self.feature_extraction(lq)
            return features
        size = [self.feature_extraction.scale * side for side in lq.shape[-2:]]
        if gt is None and not self._stands_in:
            raise ConfigError(
                "semantics: maps: oracle: this guide sees the HR image, and there is none here. It is for study, in "
                "training, validation, segsr evaluate and explain with ground truth; set maps: own for other uses."
            )
        if gt is None:
            gt = self.feature_extraction.enlarge(lq)
        if [gt.shape[0], *gt.shape[-2:]] != [lq.shape[0], *size]:
            raise ConfigError(
                f"semantics: maps: oracle: HR images {tuple(gt.shape)} are not those of LR images {tuple(lq.shape)}."
            )
        features = self.feature_extraction.see(gt)
        return features

    @contextlib.contextmanager
    def standing_in(self) -> Iterator[None]:
        """Let the enlarged LR image stand in for a HR image that is missing: only what a pass costs is asked."""
        before, self._stands_in = self._stands_in, True
        try:
            yield
        finally:
            self._stands_in = before

    def refuse_study(self, purpose: str) -> None:
        """Refuse a guide that is for study alone, where its images are all that there is.

        Args:
            purpose: What it is wanted for.

        Raises:
            ConfigError: If it is guided by maps of other images, or of HR images.
        """
        if self.config.maps in ("shuffled", "oracle"):
            raise ConfigError(
                f"semantics: maps: {self.config.maps}: this guide is for study, not for {purpose}; use a network that "
                f"was trained with maps: own."
            )

    def cells(self, global_feature: Tensor, local_features: Tensor) -> Tensor:
        """Compute signals on the patch grid from features that need not be of the same view of a scene (eq. 5-8).

        The global feature says how patches are looked at, all of them alike (eq. 5); beside it a cell reads the token
        of its own patch alone (eq. 8), and the whole view where maps are standardised. So I_g may be that of a wider
        view than I_l, and cells of overlapping views may be blended, before :meth:`refine`.

        Args:
            global_feature: I_g (B, C); without SLM it is not read.
            local_features: I_l (B, C, Hc, Wc).

        Returns:
            Maps (B, k, Hc, Wc) float32 with SLM, otherwise I_l itself.
        """
        if self.localization is None:
            return local_features
        maps = self.look(global_feature, local_features).maps
        return standardise_maps(maps, floor=self.config.map_floor) if self.config.standardised_maps else maps

    def refine(self, cells: Tensor) -> Tensor:
        """Make signals for :meth:`modulate` of what :meth:`cells` gives: by the learned scale and upsampling, if any.

        Args:
            cells: (B, n, Hc, Wc).

        Returns:
            (B, n, rows, columns); a cell depends on its eight neighbours, too.
        """
        if self.map_scale is not None:
            cells = cells * self.map_scale.view(1, -1, 1, 1)
        if self.map_upsampling is not None:
            cells = self.map_upsampling(cells).float()
        return cells

    def view(self, lq: Tensor, gt: Tensor | None = None) -> GuideView:
        """Compute the maps with all that they are made of (SeG-SR eq. 1-8); never those of other images.

        Args:
            lq: LR images (B, 3, H, W), RGB in [0, 1].
            gt: As for :meth:`forward`.

        Returns:
            Features, embeddings and maps, before they are standardised, scaled or upsampled, if they are.

        Raises:
            ConfigError: If this guide has no localization, and so no maps, or misses an HR image.
        """
        return self.look(*self.extract(lq, gt))

    def look(self, global_feature: Tensor, local_features: Tensor) -> GuideView:
        """As :meth:`view`, from the features I_g (B, C) and I_l (B, C, Hc, Wc) (SeG-SR eq. 5-8).

        Raises:
            ConfigError: If this guide has no localization, and so no maps.
        """
        if self.localization is None:
            raise ConfigError(f"semantics: modules: {self.config.modules} has no maps; only sfem+slm+lmm has.")
        embeddings = self.localization(global_feature)
        maps = cosine_maps(embeddings, local_features if self.tokens is None else self.tokens(local_features))
        return GuideView(
            global_feature=global_feature,
            local_features=local_features,
            embeddings=embeddings,
            maps=0 * maps if self.config.maps == "zero" else maps,
        )

    def _step(self, stride: float) -> float:
        """Side in patches of a cell that is ``stride`` LR pixels wide."""
        extraction = self.feature_extraction
        return stride * extraction.scale / extraction.patch_size

    def resize(
        self, maps: Tensor, size: tuple[int, int], *, stride: float = 1, start: tuple[float, float] = (0, 0)
    ) -> Tensor:
        """Resize maps (B, n, Hc, Wc) to a grid (B, n, height, width) whose cells are ``stride`` LR pixels wide.

        Args:
            maps: On the patch grid of an image.
            size: Height and width of the grid.
            stride: Side of its cells, in LR pixels.
            start: Row and column where it begins in the image, in its own cells.
        """
        return resize_maps(maps, size, step=self._step(stride), start=start)

    def modulate(self, unit: int, features: Tensor, signals: Tensor | Signals, *, stride: float = 1) -> Tensor:
        """Modulate a unit's features by its signal (SeG-SR eq. 9).

        What is given for tiles of an image is what the whole image's units are given there: where a tile begins
        between two cells of their grid, its own cells get the signal of their own places, and no neighbour's.

        Args:
            unit: Number of the unit, from 0.
            features: (B, H, W, F), channels last; the grid may reach beyond the image.
            signals: As :meth:`forward` returns them, or those of a whole image with the places of tiles in it.
            stride: Side of a cell of the features, in LR pixels.

        Returns:
            The modulated features (B, H, W, F).
        """
        size = (features.shape[1], features.shape[2])
        if isinstance(signals, Tensor):
            signal = self._signal(unit, signals, size, stride)
        elif not signals.windows:
            signal = self._signal(unit, signals.values, size, stride)
        else:
            signal = torch.cat([self._signal(unit, image, size, stride, tile) for image, tile in signals.per_tile()])
        modulated: Tensor = self.modulation[unit](features, signal)
        return modulated

    def _signal(
        self, unit: int, signals: Tensor, size: tuple[int, int], stride: float, tile: Window | None = None
    ) -> Tensor:
        """A unit's signal (B, n, height, width) on its grid in an image, or in a tile of it."""
        step = self._step(stride if self.map_upsampling is None else stride * self.map_upsampling.factor)
        start, first = (0.0, 0.0), (0, 0)
        if tile is not None:
            start = (tile.top / stride, tile.left / stride)
            rows = needed_cells(signals.shape[-2], size[0], step=step, start=start[0])
            columns = needed_cells(signals.shape[-1], size[1], step=step, start=start[1])
            signals, first = signals[..., rows, columns], (rows.start, columns.start)
        if self.projection is None:
            signal = signals[:, unit : unit + 1]
        else:
            signal = self.projection[unit](signals).float()
        return resize_maps(signal, size, step=step, start=start, first=first)
