"""What is known of a trained network, so that whoever uses it knows what to expect: ``card:`` of its option file.

After Mitchell et al., Model Cards for Model Reporting (2019).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from textwrap import fill
from typing import Any

from segsr_arch.option_fields import OptionGroup, option

_WIDTH = 100
_TITLES = {
    "use": "For",
    "trained_on": "Trained on",
    "degradation": "LR images made by",
    "training": "Training",
    "figures": "Figures",
    "limits": "Limits",
    "licence": "Licence of the weights",
    "data_licence": "Licence of the data",
    "sha256": "SHA-256 of the weights",
}
UNKNOWN = "not stated"


@dataclass(frozen=True, kw_only=True)
class ModelCard(OptionGroup):
    """A card. What was not stated says so."""

    section = "card"

    title: str = option(UNKNOWN, help="what it is, a line")
    use: str = option(UNKNOWN, help="what images it is for")
    trained_on: str = option(UNKNOWN, help="data, split and degradation")
    degradation: str | list[dict[str, Any]] = option(
        UNKNOWN, help="what LR images it expects: bicubic, or a chain as segsr prepare --degradation takes it"
    )
    training: str = option(UNKNOWN, help="iterations, patches, losses, seed, machine and time")
    figures: Mapping[str, Any] = field(default_factory=dict, metadata={"help": "what was measured, by its name"})
    limits: str = option(UNKNOWN, help="what it is not for, and what goes wrong")
    licence: str = option(UNKNOWN, help="licence of the weights")
    data_licence: str = option(UNKNOWN, help="licence of the data")
    sha256: str = option(UNKNOWN, help="digest of the file of weights, which is compared when they are read")

    def stated(self) -> dict[str, Any]:
        """What is stated, as it stands in an option file."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value not in (UNKNOWN, {})}

    def lines(self) -> list[str]:
        """The card for people, without its title."""
        found = []
        for name, title in _TITLES.items():
            value = getattr(self, name)
            if name == "figures":
                value = "; ".join(f"{key}: {figure}" for key, figure in value.items()) or UNKNOWN
            found.append(fill(f"{title}: {value}", _WIDTH, subsequent_indent="  ", break_on_hyphens=False))
        return found
