"""A degradation as a chain of steps: read from an option file, said in words, applied to an image.

.. code-block:: yaml

    degradation:
    - {type: anisotropic, l1: [0.2, 4], l2: [0.2, 4]}
    - {type: reduce, how: bicubic}
    - {type: noise, sigma: [0, 25]}

The order is that in which light becomes a file: blur, reduce, noise, compress; then the values are rounded and clipped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segsr_arch.degradations.bicubic import bicubic_taps
from segsr_arch.degradations.blur import AnisotropicBlur, IsotropicBlur
from segsr_arch.degradations.compression import Jpeg, Jpeg2000
from segsr_arch.degradations.kernels import KERNEL_SIZE, delta_kernel, resized_kernel
from segsr_arch.degradations.levels import from_levels, to_levels
from segsr_arch.degradations.named_chains import NAMED_CHAINS
from segsr_arch.degradations.noise import GaussianNoise
from segsr_arch.degradations.reduction import Reduction, reduced
from segsr_arch.degradations.second_order import SecondOrder
from segsr_arch.degradations.sensor import Haze, Misregistration, MtfBlur, SensorNoise, Stripes
from segsr_arch.degradations.step import STAGES, Signal, Step
from segsr_arch.errors import ConfigError, DataError
from segsr_arch.known_names import nearest_hint

STEPS: Mapping[str, type[Step]] = {
    step.name: step
    for step in (
        Haze,
        IsotropicBlur,
        AnisotropicBlur,
        MtfBlur,
        Misregistration,
        Reduction,
        SecondOrder,
        GaussianNoise,
        SensorNoise,
        Stripes,
        Jpeg,
        Jpeg2000,
    )
}
"""The steps by what ``type:`` calls them."""


@dataclass(frozen=True, kw_only=True)
class Degraded:
    """What a chain makes of an HR image.

    Attributes:
        lq: (H / scale, W / scale, C) of the HR image's type.
        clean: The same without any degradation but the bicubic reduction.
        kernel: (k, k) of all blurs, in HR pixels, of sum one; a delta where nothing is blurred.
        noise: Standard deviation of all noise, in grey levels of 255, mean over the image.
        record: What was drawn, step by step, as JSON can hold it.
    """

    lq: NDArray[Any]
    clean: NDArray[Any]
    kernel: NDArray[np.float32]
    noise: float
    record: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Steps in their order, one of them the reduction.

    Attributes:
        steps: With what depends on the scale filled in.
        scale: From HR to LR.
    """

    steps: tuple[Step, ...]
    scale: int

    @classmethod
    def read(cls, given: str | Sequence[Mapping[str, Any]], *, scale: int) -> "Chain":
        """Read the value of ``degradation:`` in an option file.

        Args:
            given: A name of :data:`~segsr_arch.degradations.named_chains.NAMED_CHAINS`, or a list of steps: mappings
                with ``type`` and the step's options.
            scale: Whole number from 2 to 16.

        Raises:
            ConfigError: If a name, a type or an option is not known, a value is wrong, or the order is.
            DataError: If the scale is none that can be made.
        """
        bicubic_taps(scale)
        if isinstance(given, str):
            if given not in NAMED_CHAINS:
                raise ConfigError(f"degradation: {given} is not a chain{nearest_hint(given, NAMED_CHAINS)}")
            given = NAMED_CHAINS[given]
        if not isinstance(given, Sequence) or not given:
            raise ConfigError(
                f"degradation: must be one of {', '.join(NAMED_CHAINS)}, or a list of steps such as "
                f"- {{type: isotropic}}, got {given!r}."
            )
        steps = [_step(place, options) for place, options in enumerate(given, start=1)]
        if not any(step.stage == "reduce" for step in steps):
            behind = [place for place, step in enumerate(steps) if STAGES.index(step.stage) > STAGES.index("reduce")]
            steps.insert(behind[0] if behind else len(steps), Reduction())
        _check_order(steps)
        return cls(steps=tuple(step.for_scale(scale) for step in steps), scale=scale)

    @property
    def kernel_size(self) -> int:
        """Side of the kernels that it gives, the same for every image, in HR pixels."""
        return max(step.kernel_size for step in self.steps) or KERNEL_SIZE

    def words(self) -> str:
        """Say in a sentence what is done, in its order."""
        return f"x{self.scale}: " + "; ".join([*(step.words() for step in self.steps), "round and clip"]) + "."

    def apply(self, hr: NDArray[Any], rng: np.random.Generator) -> Degraded:
        """Degrade an image.

        Args:
            hr: (H, W, C) uint8, uint16, or float32 in [0, 1]; H and W are multiples of the scale.
            rng: From which everything is drawn that is random: in the same state, it gives the same result.

        Raises:
            DataError: If the image is of another type or range, or a side is no multiple of the scale.
        """
        levels = to_levels(hr)
        height, width = hr.shape[:2]
        if height % self.scale or width % self.scale:
            raise DataError(
                f"an image of {height} x {width} cannot be reduced by {self.scale}: crop it to a multiple first"
            )
        signal, records = Signal(image=levels, dtype=hr.dtype), []
        for step in self.steps:
            signal, record = step.applied(signal, rng, scale=self.scale)
            records.append({"type": step.name} | record)
        kernel = delta_kernel(self.kernel_size) if signal.kernel is None else signal.kernel
        return Degraded(
            lq=from_levels(signal.image, hr.dtype),
            clean=from_levels(reduced(levels, self.scale), hr.dtype),
            kernel=resized_kernel(kernel, size=self.kernel_size).astype(np.float32),
            noise=float(np.sqrt(signal.variance)),
            record={"scale": self.scale, "steps": records},
        )


def _step(place: int, options: Any) -> Step:
    """Read one step of a list, the first has place 1."""
    if not isinstance(options, Mapping):
        raise ConfigError(f"degradation: step {place}: must be a mapping such as {{type: isotropic}}, got {options!r}.")
    kind = options.get("type")
    if not isinstance(kind, str) or kind not in STEPS:
        said = "has no type" if kind is None else f"{kind!r} is not a type"
        raise ConfigError(f"degradation: step {place}: {said}{nearest_hint(str(kind), STEPS)}")
    return STEPS[kind].read({name: value for name, value in options.items() if name != "type"})


def _check_order(steps: Sequence[Step]) -> None:
    reductions = [step.name for step in steps if step.stage == "reduce"]
    if len(reductions) > 1:
        raise ConfigError(f"degradation: reduces twice ({', '.join(reductions)}); one step of a chain can do it.")
    for before, after in zip(steps, steps[1:], strict=False):
        if STAGES.index(before.stage) > STAGES.index(after.stage):
            raise ConfigError(
                f"degradation: {after.name} comes after {before.name}; the order is {', '.join(STAGES)}: move it up."
            )
