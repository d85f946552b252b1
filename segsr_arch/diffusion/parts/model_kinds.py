"""The kinds of latent diffusion models that networks are made from, and what is written of each in a folder."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ModelKind:
    """A kind of model.

    Attributes:
        key: Of ``network_g``, which names a model of this kind.
        title: In messages.
        texts: Folders of its text encoders, in the order in which the UNet reads them; those of
            :class:`~segsr_arch.diffusion.parts.text.TextConditioning` for one, of
            :class:`~segsr_arch.diffusion.parts.text.TwinTextConditioning` for two.
        remedy: What to do with a model of the other kind.
    """

    key: str
    title: str
    texts: tuple[str, ...]
    remedy: str

    @property
    def is_xl(self) -> bool:
        """Whether the UNet reads a text as a whole and sizes beside its words, as that of Stable Diffusion XL does."""
        return len(self.texts) == 2

    @property
    def weights(self) -> Mapping[str, str]:
        """How files of weights begin, by the folder of the part."""
        stem = "diffusion_pytorch_model"
        return {"vae": stem, "unet": stem, **dict.fromkeys(self.texts, "model")}

    def tokenizer(self, text: str) -> str:
        """The folder of the tokenizer of one of its text encoders."""
        return text.replace("text_encoder", "tokenizer")


STABLE_DIFFUSION = ModelKind(
    key="stable_diffusion",
    title="Stable Diffusion 1 or 2",
    texts=("text_encoder",),
    remedy="Give a folder of these.",
)
STABLE_DIFFUSION_XL = ModelKind(
    key="stable_diffusion_xl",
    title="Stable Diffusion XL",
    texts=("text_encoder", "text_encoder_2"),
    remedy="Give a folder of it, or take a network that is made from another one, such as MSSD.",
)
