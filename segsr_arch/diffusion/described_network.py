"""A network whose checkpoints say what it is and beside what it was trained: those of another one are refused."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from torch import Tensor, nn

from segsr_arch.diffusion import checkpoint_description
from segsr_arch.freezing import FrozenIdentity, KeepsFrozenOut


class DescribedNetwork(nn.Module, ABC):
    """A network with a description in its checkpoints, which must be equal for their weights to mean the same.

    Attributes:
        described_later: Names of the description that checkpoints did not have at first; one without them is loaded.
    """

    described_later: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def description(self) -> dict[str, Any]:
        """What must be equal for a checkpoint to mean the same, identities of what is frozen left out."""

    @abstractmethod
    def _frozen(self) -> dict[str, KeepsFrozenOut]:
        """What is frozen, by the name under which checkpoints say whose it was."""

    def get_extra_state(self) -> Tensor:
        """Describe the network in 1024 bytes: its description, and the identity of what was not trained."""
        frozen = {name: asdict(part.identity) for name, part in self._frozen().items()}
        return checkpoint_description.encode({**self.description, **frozen})

    def set_extra_state(self, state: Tensor) -> None:
        """Check that a checkpoint was trained beside the same frozen parts.

        Raises:
            CheckpointError: If their digest is another; both are named.
        """
        frozen = self._frozen()
        found = checkpoint_description.decode(
            {"_extra_state": state}, self.description, frozen=tuple(frozen), later=self.described_later
        )
        for name, part in frozen.items():
            part.take_identity(FrozenIdentity(**found[name]))

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load a checkpoint of this network.

        Args:
            state_dict: Entries of ``params`` or ``params_ema``.
            strict: As in torch; another description or frozen part is never allowed.
            assign: As in torch.

        Returns:
            Missing and unexpected names.

        Raises:
            CheckpointError: If it belongs to another network.
        """
        checkpoint_description.decode(state_dict, self.description, later=self.described_later)
        return super().load_state_dict(state_dict, strict=strict, assign=assign)
