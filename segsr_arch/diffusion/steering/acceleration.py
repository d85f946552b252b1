"""Steps that take the clean latents of an earlier one where the encoder of the UNet sees little that is new.

VLDM's dynamic acceleration: the deepest features of the encoder are compared with those of the last step that was
computed; where they have hardly changed, its estimate of the clean latents stands, and middle, decoder, ControlNet and
the branch without words are left out. For DDIM and for EDM without churn that is the same as to leave out the time
step, so that it chooses the steps of each image and costs one run of the encoder for those it leaves out.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from segsr_arch.diffusion.samplers.sampling import SolverOptions
from segsr_arch.diffusion.samplers.schedule import NoiseSchedule
from segsr_arch.diffusion.steering.unet_halves import Encoded
from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import OptionGroup, option
from segsr_arch.windows import Window

logger = logging.getLogger(__name__)

_GOES_ON = "it goes on in the direction of its last estimates, of which a repeated one gives a wrong one"
_REFUSED = {
    "unipc": _GOES_ON,
    "dpm++": _GOES_ON,
    "lcm": "each of its few steps is to guess the image anew",
}


@dataclass(frozen=True, kw_only=True)
class AccelerationOptions(OptionGroup):
    """Which steps of a sample may take an earlier estimate (key ``acceleration:`` of a diffusion network).

    Raises:
        ConfigError: If a value is not known or out of range.
    """

    section = "acceleration"

    policy: str = option(
        "none",
        help="below which change of the encoder's features a step takes the last estimate: never (none), the threshold "
        "(fixed), the threshold times the share of noise (falling), or the change at the last step that was computed "
        "since it was above (ratchet, the paper's)",
        choices=("none", "fixed", "falling", "ratchet"),
    )
    threshold: float = option(
        0.1, help="mean absolute change of the features over their mean absolute value; ratchet starts at it", above=0
    )
    most_in_a_row: int = option(2, help="so many steps on end may take an estimate, then one is computed", minimum=1)
    protected_first: int = option(1, help="so many steps at the start are computed", unit="steps", minimum=1)
    protected_last: int = option(1, help="so many steps at the end are computed", unit="steps", minimum=0)

    def check(self, sampler: SolverOptions) -> None:
        """Find out whether steps of a solver can take an earlier estimate.

        Raises:
            ConfigError: If not; the reason is named.
        """
        if self.policy == "none":
            return
        kind, remedy = sampler.type, "Set sampler: type: ddim or edm"
        reason = _REFUSED.get(kind)
        if sampler.heun:
            kind, remedy, reason = "heun", "Set heun: false", "both of its evaluations a step are needed"
        if reason is not None:
            raise ConfigError(f"acceleration: policy: {self.policy} cannot be had with {kind}: {reason}. {remedy}.")


def relative_change(before: Tensor, now: Tensor) -> Tensor:
    """How much features (B, C, h, w) have changed, for each image: (B,), 0 for not at all."""
    before, now = before.float(), now.float()
    return (before - now).abs().mean((1, 2, 3)) / (before.abs().mean((1, 2, 3)) + 1e-6)


class Accelerator:
    """The policy of a network, and how many steps have followed it; the log has that ever more rarely.

    Args:
        options: The policy.

    Attributes:
        options: As given.
        steps: Steps of all images, or tiles of them, so far.
        reused: How many of them took an earlier estimate.
    """

    def __init__(self, options: AccelerationOptions) -> None:
        self.options = options
        self.steps = self.reused = 0
        self._samples, self._next_told = 0, 1

    def begin(
        self, schedule: NoiseSchedule, sampler: SolverOptions, *, strength: float = 1.0
    ) -> "AcceleratedSample | None":
        """Begin to sample a batch, with as much of the steps as a strength says; ``None`` if all are computed.

        Raises:
            ConfigError: If steps of the solver cannot take an earlier estimate.
        """
        self.options.check(sampler)
        if self.options.policy == "none":
            return None
        return AcceleratedSample(self, schedule=schedule, steps=sampler.steps_of(strength))

    def count(self, reused: Tensor, *, ended: bool) -> None:
        """Count a step.

        Args:
            reused: Which images took an estimate, (B,).
            ended: Whether it was their last step.
        """
        self.steps += len(reused)
        self.reused += int(reused.sum())
        self._samples += len(reused) * ended
        if self._samples >= self._next_told:
            self._next_told = 2 * self._samples
            logger.info(
                "Dynamic acceleration: %d of %d steps of images, or of tiles of them, (%.0f %%) took an earlier "
                "estimate and cost one run of the UNet's encoder; %d were computed.",
                self.reused,
                self.steps,
                100 * self.reused / self.steps,
                self.steps - self.reused,
            )


@dataclass(kw_only=True)
class _Progress:
    """Of a window of B images: what the last computed steps saw and gave, and how far it is."""

    features: Tensor
    clean: Tensor
    in_a_row: Tensor
    thresholds: Tensor
    steps: int = 0


class AcceleratedSample:
    """Decides for each step, image and window of a batch; images do not depend on each other.

    Args:
        accelerator: Whose policy it follows, and where steps are counted.
        schedule: Of the network.
        steps: How many there will be.
    """

    def __init__(self, accelerator: Accelerator, *, schedule: NoiseSchedule, steps: int) -> None:
        self._accelerator, self._schedule, self._steps = accelerator, schedule, steps
        self._windows: dict[Window, _Progress] = {}

    def predict(
        self,
        latents: Tensor,
        t: float,
        window: Window,
        *,
        encoded: Encoded,
        complete: Callable[[Tensor | slice], Tensor],
    ) -> Tensor:
        """Predict a step, completely where that is needed.

        Args:
            latents: Noised latents of a window (B, C, h, w).
            t: Their time.
            window: Which one.
            encoded: What the UNet's encoder makes of them, with words.
            complete: Gives the predictions of some of the images, by their places.

        Returns:
            What the network predicts, or would if it took the images for its last estimate of them, (B, C, h, w).
        """
        known = self._windows.get(window)
        if known is None:
            count = len(latents)
            known = self._windows[window] = _Progress(
                features=encoded.deepest.clone(),
                clean=torch.zeros_like(latents, dtype=torch.float32),
                in_a_row=torch.zeros(count, dtype=torch.long, device=latents.device),
                thresholds=torch.full((count,), self._accelerator.options.threshold, device=latents.device),
            )
        reused = self._reused(known, encoded.deepest, t)
        prediction = self._schedule.prediction(known.clean, latents.float(), t)
        if not bool(reused.all()):
            places = (~reused).nonzero().flatten() if bool(reused.any()) else slice(None)
            computed = complete(places).float()
            prediction[places] = computed
            known.clean[places] = self._schedule.clean(computed, latents[places].float(), t)
            known.features[places] = encoded.deepest[places]
        known.in_a_row = torch.where(reused, known.in_a_row + 1, 0)
        known.steps += 1
        self._accelerator.count(reused, ended=known.steps == self._steps)
        return prediction

    def _reused(self, known: _Progress, features: Tensor, t: float) -> Tensor:
        """Which images take their last estimate, (B,) booleans; the ratchet moves."""
        options = self._accelerator.options
        change, limits = relative_change(known.features, features), known.thresholds
        if options.policy == "falling":
            limits = limits * float(self._schedule.noise(t))
        below = change < limits
        if options.policy == "ratchet" and known.steps > 0:
            known.thresholds = torch.where(below, limits, change)
        is_open = options.protected_first <= known.steps < self._steps - options.protected_last
        return below & (known.in_a_row < options.most_in_a_row) & is_open
