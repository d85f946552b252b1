"""Ground truth alone; the LR image of each is degraded as images of unknown sensors are: blur, noise, compression."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from basicsr.utils.registry import DATASET_REGISTRY

from segsr_arch.captions.degradation import degradation_caption
from segsr_arch.compat.registration import register
from segsr_arch.data.made_pairs import LrImages, MadePairs
from segsr_arch.degradations.bicubic_operator import reduction_reach
from segsr_arch.degradations.chain import STEPS, Chain
from segsr_arch.degradations.named_chains import NAMED_CHAINS
from segsr_arch.degradations.seeding import generator_of
from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import keys_of
from segsr_arch.option_keys import Key

_STEPS: Mapping[str, type] = STEPS
_STEP_KEYS = {name: keys_of(step) for name, step in _STEPS.items()}


@register(DATASET_REGISTRY)
class BlindPairedDataset(MadePairs):
    """Pairs of a ground truth image and its degraded LR image, from ground truth images only.

    .. code-block:: yaml

        train:
          name: AID
          type: BlindPairedDataset
          dataroot_gt: datasets/AID/train/HR_x4.lmdb
          io_backend: {type: lmdb}
          gt_size: 256
          use_hflip: true
          use_rot: true
          degradation:
          - {type: anisotropic, l1: [0.2, 4], l2: [0.2, 4]}
          - {type: noise, sigma: [0, 25]}

    In training each patch gets a degradation of its own, from Python's generator, as its place and its flips do: with
    one ``manual_seed`` these are the same whatever the number of workers, and after a resume. In validation and test an
    image gets what its name and ``degradation_seed`` say, always; that is what ``segsr prepare --degradation`` writes.

    An item has, beside ``lq``, ``gt`` and their paths, ``lq_clean`` (3, H, W), the bicubic reduction; ``kernel``
    (1, k, k), the blur in HR pixels, its sum one; and ``noise_level`` (1,), its standard deviation in grey levels of
    255; with ``say_degradation`` also a ``caption`` that says these two in words, for each patch its own.

    Args:
        opt: See :class:`~segsr_arch.data.made_pairs.MadePairs`; further ``degradation``, the name of a chain or a list
            of steps (:mod:`segsr_arch.degradations.chain`), ``degradation_seed``, and ``say_degradation``.

    Raises:
        ConfigError: If the degradation is none that can be made at the scale, or there are captions twice.
        DataError: As there.
    """

    option_keys = {
        **MadePairs.option_keys,
        "degradation": Key(
            "list",
            required=True,
            nullable=False,
            words=tuple(NAMED_CHAINS),
            entries=_STEP_KEYS,
            help="what the LR image goes through: a chain by name, or a list of steps, each with its type",
        ),
        "degradation_seed": Key(
            "int",
            nullable=False,
            minimum=0,
            default=0,
            help="seed of what is drawn for images of validation and test; in training manual_seed is",
        ),
        "say_degradation": Key(
            "bool", help="give each image a caption by rule that says how blurred and how noisy it was made"
        ),
    }

    def __init__(self, opt: Mapping[str, Any]) -> None:
        super().__init__(opt)
        _check_one_caption(opt)
        self.chain = Chain.read(opt["degradation"], scale=self.scale)

    @classmethod
    def check_values(cls, options: Mapping[str, Any], *, scale: int, names: Sequence[str]) -> None:
        """Read the degradation, too.

        Raises:
            ConfigError: If it is none that can be made at the scale, or there are captions twice.
            DataError: If the scale is none, or of the captions.
        """
        super().check_values(options, scale=scale, names=names)
        _check_one_caption(options)
        Chain.read(options["degradation"], scale=scale)

    @property
    def margin(self) -> int:
        """All kernels of HR pixels and the reduction reach so far; of ``second-order``, what comes after is cut off."""
        blurs = sum(step.kernel_size // 2 for step in self.chain.steps)
        return reduction_reach(self.scale) + -(-blurs // self.scale)

    def degrade(self, hr: np.ndarray, path: str) -> LrImages:
        """Apply the chain: (H, W, 3) uint8 -> ``lq`` and ``lq_clean`` (H / scale, W / scale, 3) uint8, and facts."""
        made = self.chain.apply(hr, self._generator(path))
        facts: dict[str, torch.Tensor | str] = {
            "kernel": torch.from_numpy(made.kernel)[None],
            "noise_level": torch.tensor([made.noise], dtype=torch.float32),
        }
        if self.opt.get("say_degradation"):
            facts["caption"] = degradation_caption(made.kernel, made.noise)
        return LrImages(images={"lq": made.lq, "lq_clean": made.clean}, facts=facts)

    def _generator(self, path: str) -> np.random.Generator:
        if self.opt["phase"] == "train":
            return np.random.Generator(np.random.PCG64(random.getrandbits(128)))
        return generator_of(self.name_of(path), scale=self.scale, seed=self.opt.get("degradation_seed", 0))


def _check_one_caption(options: Mapping[str, Any]) -> None:
    """Refuse two captions of an image.

    Raises:
        ConfigError: If both a file and the rule are to give them.
    """
    if options.get("say_degradation") and options.get("caption_file") is not None:
        raise ConfigError("say_degradation: captions come from caption_file already; remove one of the two.")
