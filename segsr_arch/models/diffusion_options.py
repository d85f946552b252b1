"""Options of ``train:`` and ``val:`` for networks that sample."""

from dataclasses import dataclass

from segsr_arch.option_fields import OptionGroup, option


@dataclass(frozen=True, kw_only=True)
class DiffusionTrainOptions(OptionGroup):
    """Additions to ``train:``.

    Raises:
        ConfigError: If a value is of the wrong type or out of range.
    """

    section = "train"
    shares_section = True

    caption_dropout: float = option(
        0.5,
        help="share of captions that are left out in training, so that guidance has something to differ from",
        minimum=0,
        maximum=1,
    )
    noise_seed: int = option(
        0, help="seed of noise, time steps and captions left out, with iteration, process and part", minimum=0
    )


@dataclass(frozen=True, kw_only=True)
class DiffusionValidationOptions(OptionGroup):
    """Additions to ``val:``.

    Raises:
        ConfigError: If a value is of the wrong type or out of range.
    """

    section = "val"
    shares_section = True

    sampler_steps: int | None = option(
        None, help="steps of the sampler in the validations of a training; null for those of the network", minimum=1
    )
    images: int | None = option(
        None,
        help="how many images of a set, evenly chosen, the validations of a training sample; null for all",
        minimum=1,
    )
    samples: int = option(3, help="samples of other seeds beside each image in TensorBoard; 0 for none", minimum=0)
    seed: int = option(0, help="seed of a sample's noise, with the name of the image", minimum=0)
