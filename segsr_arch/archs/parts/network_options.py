"""The arguments of a network as a dataclass that checks them all before anything is built."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

from segsr_arch.errors import ConfigError
from segsr_arch.option_keys import is_number, is_whole

UPSCALES = (1, 2, 3, 4, 8)
Demand = tuple[str, bool, str]  # name of an option, whether it is right, and what to do where it is not
_Options = TypeVar("_Options", bound="NetworkOptions")


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(ABC):
    """Base of the dataclasses of arguments.

    Attributes:
        network: What messages call the network.

    Raises:
        ConfigError: If some are wrong; all of them are named, each with a remedy.
    """

    network: ClassVar[str]

    def __post_init__(self) -> None:
        demands = self._demands()
        problems = [f"{name}: {getattr(self, name)!r}: {remedy}" for name, right, remedy in demands if not right]
        problems = problems or self._wrong_together()
        if problems:
            raise ConfigError(f"{self.network}: " + " ".join(problems))

    @classmethod
    def among(cls: type[_Options], options: Mapping[str, Any]) -> _Options:
        """Take the arguments from options that hold others, too; those that are missing have their defaults."""
        names = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in options.items() if name in names})

    @abstractmethod
    def _demands(self) -> list[Demand]:
        """What each option must be whatever the others are."""

    def _wrong_together(self) -> list[str]:
        """What is wrong with options that are right by themselves: sentences."""
        return []

    def _all(self, names: Sequence[str], is_right: Callable[[Any], bool], remedy: str) -> list[Demand]:
        """Demand the same of several options."""
        return [(name, is_right(getattr(self, name)), remedy) for name in names]

    def _counts(self, *names: str) -> list[Demand]:
        return self._all(names, is_count, "give a whole number of at least 1.")

    def _lists_of_counts(self, *names: str, each: str = "group") -> list[Demand]:
        remedy = f"give a list of whole numbers of at least 1, one for each {each}."
        return self._all(names, is_list_of_counts, remedy)

    def _above_zero(self, *names: str) -> list[Demand]:
        return self._all(names, lambda value: is_number(value) and value > 0, "give a number above 0.")

    def _scale(self, *names: str) -> list[Demand]:
        known = ", ".join(map(str, UPSCALES))
        return self._all(names, lambda value: is_count(value) and value in UPSCALES, f"give one of {known}.")


def is_count(value: Any) -> bool:
    """Whether a value is a whole number of at least 1."""
    return is_whole(value) and value >= 1


def is_list_of_counts(value: Any) -> bool:
    """Whether a value is a list, not empty, of whole numbers of at least 1."""
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0 and all(map(is_count, value))


class ChecksOptions:
    """What a network has whose arguments are those of a :class:`NetworkOptions`.

    Attributes:
        options_type: Their dataclass.
    """

    options_type: ClassVar[type[NetworkOptions]]

    @classmethod
    def check_options(cls, options: Mapping[str, Any]) -> None:
        """Check constructor arguments before anything is built; those that are missing have their defaults.

        Args:
            options: Arguments by name; other entries are not looked at.

        Raises:
            ConfigError: If some are wrong; all of them are named.
        """
        cls.options_type.among(options)
