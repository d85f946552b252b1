"""Training of a diffusion network that gives in one evaluation what guidance takes two for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from basicsr.archs import build_network
from basicsr.utils.registry import MODEL_REGISTRY

from segsr_arch.compat.registration import register
from segsr_arch.diffusion.learning.distillation import Teaching
from segsr_arch.errors import CheckpointError, ConfigError
from segsr_arch.models.diffusion_model import DiffusionModel
from segsr_arch.models.optimization import trainable
from segsr_arch.option_fields import OptionGroup, keys_of, option


@dataclass(frozen=True, kw_only=True)
class DistillationOptions(OptionGroup):
    """Additions to ``train:``.

    Raises:
        ConfigError: If a value is of the wrong type or out of range, or there is no weight to learn.
    """

    section = "train"
    shares_section = True

    teacher: str = option(
        help="checkpoint of the teacher: the network that network_g describes, without one_pass_guidance",
        what="a file",
    )
    guidance_least: float = option(1.0, help="least weight of guidance that is learned", minimum=0)
    guidance_most: float = option(14.0, help="largest weight of guidance that is learned", above=1)

    one_pass_lr_factor: float = option(
        10.0,
        help="learning rate of what the student is told the weight by, over that of all else, which has only to follow",
        above=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.guidance_least >= self.guidance_most:
            raise ConfigError(
                f"train: guidance_least: must be below guidance_most, got {self.guidance_least:g} and "
                f"{self.guidance_most:g}."
            )


@register(MODEL_REGISTRY)
class DistillationModel(DiffusionModel):
    """A :class:`DiffusionModel` whose network learns from a frozen one (Meng et al. 2023, stage one).

    The teacher is run with words and without at weights of guidance that are drawn evenly; the student, which starts as
    the teacher unless ``path: pretrain_network_g`` says otherwise, is told the weight and run once.

    Args:
        opt: The option mapping of BasicSR.

    Raises:
        ConfigError: If an option is wrong, the network is not told the weight, or there are no captions to learn from.
        CheckpointError: If the teacher's checkpoint cannot be read, or is of another network.
    """

    option_keys = {"train": keys_of(DistillationOptions)}
    teaches_guidance = True

    @classmethod
    def check_options(cls, opt: Mapping[str, Any]) -> None:
        """As in :class:`DiffusionModel`, and whether the network is a student."""
        super().check_options(opt)
        if not opt["is_train"]:
            return
        teacher = DistillationOptions.read(opt["train"]).teacher
        if not Path(teacher).is_file():
            raise CheckpointError(
                f"train: teacher: {teacher} is not there; train the network first, with captions and without "
                "one_pass_guidance."
            )
        if not opt["network_g"].get("one_pass_guidance"):
            raise ConfigError("network_g: one_pass_guidance: a student of guidance needs head or embedding.")
        if opt["network_g"].get("contrast") is not None:
            raise ConfigError(
                "network_g: contrast: a student learns from its teacher alone; remove it, the teacher's checkpoint is "
                "read without."
            )

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        """Make two groups: all that starts as the teacher's, and what the student is told the weight by."""
        factor = DistillationOptions.read(self.opt["train"]).one_pass_lr_factor
        told = list(self.get_bare_model(self.net_g).unet.one_pass.parameters())
        own = set(map(id, told))
        rest = [parameter for parameter in trainable(self.net_g) if id(parameter) not in own]
        return [{"params": rest, "lr": lr}, {"params": told, "lr": factor * lr}]

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """Take a batch with captions.

        Raises:
            ConfigError: If the data set of the training has none.
        """
        super().feed_data(data)
        if self.opt["is_train"] and self.captions is None and self.net_g.training:
            raise ConfigError(
                "datasets: train: has no captions, and guidance is what they change; name their caption_file, or for a "
                "toy set say_degradation: true."
            )

    def init_training_settings(self) -> None:
        """Load the teacher, and let the student start as it, before the moving average is made of the student."""
        options = DistillationOptions.read(self.opt["train"])
        described = {name: value for name, value in self.opt["network_g"].items() if name != "one_pass_guidance"}
        teacher = build_network(described).to(self.device)
        self.load_network(teacher, options.teacher, True, "params_ema")
        student = self.get_bare_model(self.net_g)
        if self.opt["path"].get("pretrain_network_g") is None:
            student.load_state_dict({**student.state_dict(), **teacher.state_dict()})
        super().init_training_settings()
        student.teaching = Teaching(teacher.unet, weights=(options.guidance_least, options.guidance_most))
