"""How much of a clean latent is left at each time step of a diffusion, and what a network predicts of the rest.

At time t, from 0 (nearly clean) to ``steps - 1`` (nearly noise), a latent is z_t = a_t z_0 + s_t n, where n is standard
normal noise, a_t = sqrt(abar_t) the signal and s_t = sqrt(1 - abar_t) (Ho et al., Denoising Diffusion Probabilistic
Models, 2020, equation 4). The network predicts n (``epsilon``), or v = a_t n - s_t z_0 (``v_prediction``; Salimans and
Ho, Progressive Distillation, 2022, section 4).
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from segsr_arch.diffusion.library import diffusers_library
from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import OptionGroup, option

# Sampling starts at the last time step, from noise alone. Below this signal its epsilon says nothing of the image.
LEAST_EPSILON_SIGNAL = 1e-3


@dataclass(frozen=True, kw_only=True)
class ScheduleOptions(OptionGroup):
    """A noise schedule, in diffusers' names; the defaults are those of Stable Diffusion 1.5 (key ``schedule:``).

    Raises:
        ConfigError: If a value is not known or out of range.
    """

    section = "schedule"

    num_train_timesteps: int = option(1000, help="time steps from clean to noise", minimum=2)
    beta_start: float = option(0.00085, help="variance added at the first step", above=0, below=1)
    beta_end: float = option(0.012, help="variance added at the last step", above=0, below=1)
    beta_schedule: str = option(
        "scaled_linear",
        help="how the variances rise: their roots linearly, themselves, or as a squared cosine of the signal",
        choices=("scaled_linear", "linear", "squaredcos_cap_v2"),
    )
    prediction_type: str = option(
        "epsilon",
        help="what the network predicts: the noise, or v, which is defined without any signal too",
        choices=("epsilon", "v_prediction"),
    )


class NoiseSchedule:
    """A noise schedule: noises latents, says what is to be predicted, and reads predictions.

    Where a time is asked for it is one for all images, or (B,) numbers; latents are (B, C, h, w). Of a time between two
    steps, the signal lies between theirs; at -1 nothing is noise (Chen et al., WaveGrad, 2021, section 3).

    Args:
        options: Its variances and what is predicted.

    Attributes:
        options: As given.
        steps: Number of time steps.

    Raises:
        ConfigError: If noise is to be predicted though the last step holds no signal to tell it from.
        DependencyError: If diffusers is not installed.
    """

    def __init__(self, options: ScheduleOptions) -> None:
        self.options = options
        self.steps = options.num_train_timesteps
        kept: Tensor = diffusers_library().DDIMScheduler(**asdict(options)).alphas_cumprod.double()
        self._shares = torch.cat([kept.new_ones(1), kept])  # a_t^2 of all times from -1 on
        last = float(kept[-1].sqrt())
        if options.prediction_type == "epsilon" and last < LEAST_EPSILON_SIGNAL:
            raise ConfigError(
                f"schedule: prediction_type: epsilon cannot start where only {last:.1e} of the image is left (below "
                f"{LEAST_EPSILON_SIGNAL:g}): use v_prediction, or a beta_schedule that ends with more."
            )

    @classmethod
    def of(cls, config: Mapping[str, Any] | None = None) -> "NoiseSchedule":
        """Read a schedule.

        Args:
            config: The mapping of an option file, whose keys are those of :class:`ScheduleOptions`; or what
                ``scheduler_config.json`` of a Stable Diffusion folder holds, of which what concerns its sampler alone
                is not read. ``None`` leaves every default.

        Raises:
            ConfigError: If a key or value is not known.
            DependencyError: If diffusers is not installed.
        """
        config = dict(config or {})
        if "_class_name" in config:
            for key in ("trained_betas", "rescale_betas_zero_snr"):
                if config.get(key):
                    raise ConfigError(
                        f"schedule: {key} of scheduler_config.json is not supported; name the variances by "
                        "beta_schedule, beta_start and beta_end."
                    )
            config = {name: config[name] for name in asdict(ScheduleOptions()) if name in config}
        return cls(ScheduleOptions.read(config))

    def signal(self, t: float | Tensor) -> Tensor:
        """a_t, how much of the clean latent is left: (1, 1, 1, 1) or (B, 1, 1, 1) float32 from 0 to 1."""
        return self._share(t).sqrt().float()

    def noise(self, t: float | Tensor) -> Tensor:
        """s_t, the standard deviation of the noise: (1, 1, 1, 1) or (B, 1, 1, 1) float32 from 0 to 1."""
        return (1 - self._share(t)).sqrt().float()

    def sigma(self, t: float) -> float:
        """s_t / a_t, the noise where clean latents are not made smaller (Karras et al. 2022), at one time."""
        share = float(self._share(t))
        return math.sqrt((1 - share) / share)

    def time_of(self, sigma: float) -> float:
        """The time at which the noise is so much of the signal, mostly between two steps: from -1 to the last one."""
        signals, signal = self._shares.sqrt(), 1 / math.sqrt(1 + sigma**2)
        before = min(max(int((signals >= signal).sum()) - 1, 0), self.steps - 1)
        above, under = signals[before : before + 2].tolist()
        return float(min(before - 1 + (above - signal) / (above - under), self.steps - 1))

    def noised(self, clean: Tensor, noise: Tensor, t: float | Tensor) -> Tensor:
        """z_t of clean latents and standard normal noise."""
        signal, spread = self._at(t, clean)
        return signal * clean + spread * noise

    def target(self, clean: Tensor, noise: Tensor, t: float | Tensor) -> Tensor:
        """What the network is to predict at z_t."""
        if self.options.prediction_type == "epsilon":
            return noise
        signal, spread = self._at(t, clean)
        return signal * noise - spread * clean

    def clean(self, prediction: Tensor, noised: Tensor, t: float | Tensor) -> Tensor:
        """The clean latents that a prediction at z_t stands for."""
        signal, spread = self._at(t, noised)
        if self.options.prediction_type == "epsilon":
            return (noised - spread * prediction) / signal
        return signal * noised - spread * prediction

    def prediction(self, clean: Tensor, noised: Tensor, t: float | Tensor) -> Tensor:
        """What a network would predict at z_t that took it for these clean latents; there must be noise."""
        signal, spread = self._at(t, noised)
        return self.target(clean, (noised - signal * clean) / spread, t)

    def _at(self, t: float | Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
        return self.signal(t).to(latents), self.noise(t).to(latents)

    def _share(self, t: float | Tensor) -> Tensor:
        """a_t^2, (1, 1, 1, 1) or (B, 1, 1, 1) float64."""
        time = torch.as_tensor(t, dtype=torch.float64 if isinstance(t, float) else None).reshape(-1)
        shares = self._shares.to(time.device)
        if not time.is_floating_point():
            return shares[time + 1].view(-1, 1, 1, 1)
        signals = shares.sqrt()
        before = (time + 1).floor().long().clamp(0, self.steps - 1)
        return torch.lerp(signals[before], signals[before + 1], time.double() + 1 - before).square().view(-1, 1, 1, 1)
