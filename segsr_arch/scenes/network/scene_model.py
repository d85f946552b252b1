"""What upscales a scene: anything that makes SR tiles of LR tiles, and is told where in the scene they lie."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from segsr_arch.windows import Window


@runtime_checkable
class SceneModel(Protocol):
    """Makes SR tiles; other callables become one by :func:`segsr_arch.scenes.network.networks.as_scene_model`."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def scale(self) -> int:
        """Whole factor by which it enlarges."""

    @property
    def extra(self) -> int:
        """Number of channels that it gives after red, green and blue."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What JSON can hold and tells one model from another: a job goes on with the model that it was begun with."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that whoever uses it should read, without full stops at their ends."""

    def __call__(self, tiles: Tensor, windows: Sequence[Window], *, symmetry: int = 0) -> Tensor:
        """Super-resolve tiles.

        Args:
            tiles: LR tiles (N, 3, h, w), RGB in [0, 1], float32 on the CPU; they stay what they are.
            windows: Their N places, in LR pixels of the scene.
            symmetry: The tiles are the windows' pixels :func:`~segsr_arch.scenes.network.symmetries.turned` by this.

        Returns:
            SR tiles (N, 3 + extra, s h, s w), about [0, 1], not clipped, float32 on the CPU.
        """

    def for_scene(self, read: Callable[[Window], Tensor], *, height: int, width: int) -> "SceneModel":
        """Get ready for a scene, before its first tile.

        Args:
            read: Gives the pixels (3, h, w) of any window of it, as they will be in the tiles.
            height: Rows of the scene.
            width: Columns of the scene.

        Returns:
            What its tiles are given to; as a rule itself.
        """


class ModelAround:
    """A scene model that stands around another one, and is as that unless a subclass says otherwise.

    Args:
        inner: The other one.
    """

    def __init__(self, inner: SceneModel) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        """That of the inner one."""
        return self.inner.name

    @property
    def scale(self) -> int:
        """That of the inner one."""
        return self.inner.scale

    @property
    def extra(self) -> int:
        """That of the inner one."""
        return self.inner.extra

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the inner one."""
        return self.inner.identity

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the inner one."""
        return self.inner.notes
