"""Every metric by name: what it is, what it needs, and how it is loaded.

measure = find_metric("lpips").load(device=torch.device("cpu"))
value = measure(sr, gt, lq, scale)
print(value, measure.backend)
"""

from collections.abc import Mapping
from typing import Any

from segsr_arch.errors import ConfigError
from segsr_arch.known_names import nearest_hint
from segsr_arch.metrics.clip_cosine import load_clip_cosine
from segsr_arch.metrics.clip_iqa import load_clip_iqa
from segsr_arch.metrics.definition import LoadedImageMetric, LoadOptions, MetricDefinition
from segsr_arch.metrics.fidelity import WINDOW, psnr, ssim
from segsr_arch.metrics.kid import load_kid
from segsr_arch.metrics.lr_consistency import load_lr_consistency
from segsr_arch.metrics.own_metrics import find_own_metric, own_metrics
from segsr_arch.metrics.perceptual import DISTS_SIDE, LPIPS_SIDE, load_dists, load_lpips
from segsr_arch.metrics.protocols import find_protocol
from segsr_arch.metrics.pyiqa_metrics import PREFIX, find_pyiqa_metric
from segsr_arch.metrics.spectral import SCC_SIDE, UQI_SIDE, load_ergas, load_sam, load_scc, load_uqi


def _load_psnr(options: LoadOptions) -> LoadedImageMetric:
    protocol = find_protocol(options.protocol)
    return LoadedImageMetric(
        backend=f"segsr, protocol {protocol.name}",
        compute=lambda sr, gt, lq, scale: psnr(sr, gt, scale=scale, protocol=protocol),
    )


def _load_ssim(options: LoadOptions) -> LoadedImageMetric:
    protocol = find_protocol(options.protocol)
    return LoadedImageMetric(
        backend=f"segsr, protocol {protocol.name}",
        compute=lambda sr, gt, lq, scale: ssim(sr, gt, scale=scale, protocol=protocol),
    )


CATALOGUE: dict[str, MetricDefinition] = {
    definition.name: definition
    for definition in (
        MetricDefinition(
            name="psnr",
            title="PSNR",
            better="higher",
            unit="dB",
            per_protocol=True,
            description="Peak signal-to-noise ratio; infinite for identical images.",
            loader=_load_psnr,
        ),
        MetricDefinition(
            name="ssim",
            title="SSIM",
            better="higher",
            per_protocol=True,
            smallest_side=WINDOW,
            description="Structural similarity (Wang et al. 2004), at most 1.",
            loader=_load_ssim,
        ),
        MetricDefinition(
            name="lpips",
            title="LPIPS",
            better="lower",
            smallest_side=LPIPS_SIDE,
            description="Learned perceptual image patch similarity (Zhang et al. 2018), AlexNet; 0 if identical.",
            loader=load_lpips,
        ),
        MetricDefinition(
            name="dists",
            title="DISTS",
            better="lower",
            smallest_side=DISTS_SIDE,
            description="Deep image structure and texture similarity (Ding et al. 2020); 0 if identical.",
            loader=load_dists,
        ),
        MetricDefinition(
            name="ergas",
            title="ERGAS",
            better="lower",
            description="Relative dimensionless global error in synthesis (Wald 2002), with h / l = 1 / scale; 0 if "
            "identical, infinite or NaN if a band of the ground truth is 0 everywhere.",
            loader=load_ergas,
        ),
        MetricDefinition(
            name="sam",
            title="SAM",
            better="lower",
            unit="rad",
            description="Spectral angle (Yuhas et al. 1992) in radians over pixels that are black in neither image; "
            "NaN if there is none.",
            loader=load_sam,
        ),
        MetricDefinition(
            name="scc",
            title="SCC",
            better="higher",
            smallest_side=SCC_SIDE,
            description="Spatial correlation coefficient (Zhou et al. 1998), from -1 to 1; flat windows count 0.",
            loader=load_scc,
        ),
        MetricDefinition(
            name="uqi",
            title="UQI",
            better="higher",
            smallest_side=UQI_SIDE,
            description="Universal image quality index (Wang and Bovik 2002), from -1 to 1.",
            loader=load_uqi,
        ),
        MetricDefinition(
            name="kid",
            title="KID",
            better="lower",
            decimals=5,
            kind="set",
            description="Kernel inception distance (Binkowski et al. 2018) between all SR and all GT images, unbiased, "
            "can be slightly negative; read it with the number of images n.",
            loader=load_kid,
        ),
        MetricDefinition(
            name="clip_iqa",
            title="CLIP-IQA",
            better="higher",
            needs="nothing",
            description="CLIP-IQA (Wang et al. 2023): from bad photo (0) to good photo (1); implementations differ.",
            loader=load_clip_iqa,
        ),
        MetricDefinition(
            name="lr_consistency",
            title="LR consistency",
            better="higher",
            unit="dB",
            needs="lq",
            description="PSNR between the SR image, reduced again, and the LR input, RGB, whole image; the true HR "
            "image has about 58.9 dB at 8 bits.",
            loader=load_lr_consistency,
        ),
        MetricDefinition(
            name="clip_cosine",
            title="CLIP cosine",
            better="higher",
            description="Cosine of the vision-language model's global embeddings of SR and HR image, at most 1.",
            loader=load_clip_cosine,
        ),
    )
}


def find_metric(name: str, section: Mapping[str, Any] | None = None) -> MetricDefinition:
    """Look a metric up by name.

    Args:
        name: A name of :data:`CATALOGUE`, ``pyiqa:`` and a name of pyiqa, or the name of a metric that somebody has
            registered with BasicSR (:mod:`segsr_arch.metrics.own_metrics`).
        section: ``val: metrics:`` of an option file, where registered metrics have their options.

    Returns:
        The definition; nothing is loaded.

    Raises:
        ConfigError: If there is none of this name; the nearest one is named. If it lacks an option.
        DependencyError: If it is one of pyiqa's, which is not installed.
    """
    if name.startswith(PREFIX):
        return find_pyiqa_metric(name)
    found = CATALOGUE.get(name) or find_own_metric(name, section or {})
    if found is None:
        known = [*CATALOGUE, f"{PREFIX}NAME", *own_metrics()]
        raise ConfigError(f"metric {name!r} is not known{nearest_hint(name, known)}")
    return found
