"""A trained network, built from a test's option file: what ``basicsr test`` would run, for use one image at a time."""

import contextlib
import io
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import basicsr.test
import numpy as np
import torch
from basicsr.data import build_dataset
from basicsr.models import build_model
from torch import Tensor, nn
from torch.utils.data import default_collate

from segsr_arch.compat.pipelines import complete_options
from segsr_arch.config import check_options
from segsr_arch.config.run_options import read_run_options
from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.image_folders import dataset_name_of
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.inference.sampling_seeds import drawing_sample, samples_by_seed
from segsr_arch.inference.super_resolution import check_finite

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CheckedTest:
    """A test's option file that has been checked, and whose ``imports:`` are imported.

    Attributes:
        opt: Complete options.
        text: Text of the option file, with what the command line changed in comments in front.
    """

    opt: dict[str, Any]
    text: str


class TrainedNetwork:
    """A network with its weights, and the model class that runs it (tiles, padding, whatever that class does).

    Args:
        test: The option file of a test.

    Attributes:
        opt: Its complete options.
        text: Its text.
        name: ``name:`` of the options.
        scale: Upscaling factor.
        model: The BasicSR model.
        network: The bare network in evaluation mode.
        device: Where it is.
    """

    def __init__(self, test: CheckedTest) -> None:
        self.opt, self.text = test.opt, test.text
        self.name: str = self.opt["name"]
        self.scale: int = self.opt["scale"]
        self.model = build_model(self.opt)
        self.network: nn.Module = self.model.get_bare_model(self.model.net_g).eval()
        self.device: torch.device = self.model.device

    @property
    def checkpoint(self) -> str | None:
        """Path of the weights file, if one was loaded."""
        return self.opt["path"].get("pretrain_network_g")

    @property
    def vlm(self) -> str | None:
        """The vision-language model and its weights, for people; ``None`` without a guide."""
        if not isinstance(self.network, GuidedNetwork):
            return None
        return str(self.network.guide.feature_extraction.identity)

    def datasets(self) -> Iterator[tuple[str, Any]]:
        """Build the data sets of the options: pairs of name and data set, in the order of their keys."""
        for _, options in sorted(self.opt["datasets"].items()):
            yield options["name"], build_dataset(options)

    def __call__(self, lq: Tensor) -> Tensor:
        """Super-resolve images exactly as ``basicsr test`` does, before it rounds them.

        Args:
            lq: LR images (B, 3, H, W), RGB in [0, 1]; they stay what they are.

        Returns:
            SR images (B, 3, sH, sW), RGB about [0, 1], not clipped, float32 on the CPU.

        Raises:
            DataError: If the network's output is not finite.
        """
        return check_finite(self.run(lq))

    def run(self, lq: Tensor) -> Tensor:
        """As :meth:`__call__`, but whatever the network gives is returned."""
        return self._run({"lq": lq})

    def super_resolve(self, item: Mapping[str, Any]) -> Tensor:
        """Super-resolve an item of a data set, all of which the model class gets as a loader would give it.

        Args:
            item: With ``lq``: (3, H, W) RGB in [0, 1]; its tensors stay as they are.

        Returns:
            (3, sH, sW), as :meth:`__call__` gives it.
        """
        batch = {
            key: value.unsqueeze(0) if torch.is_tensor(value) else default_collate([value])
            for key, value in {"lq_path": "", **item}.items()
        }
        return check_finite(self._run(batch))[0]

    @property
    def samples(self) -> bool:
        """Whether the network draws its output, so that another seed gives another image."""
        return samples_by_seed(self.network)

    def sample(self, item: Mapping[str, Any], number: int) -> Tensor:
        """As :meth:`super_resolve`, the sample of this number (from 0) of a network that :attr:`samples`."""
        with drawing_sample(self.network, number):
            return self.super_resolve(item)

    def _run(self, batch: Mapping[str, Any]) -> Tensor:
        # Copies: some model classes hand them to a network as they are, and some networks change what they get.
        self.model.feed_data({key: value.clone() if torch.is_tensor(value) else value for key, value in batch.items()})
        self.model.test()
        self.network.eval()  # some of BasicSR's models leave it in training mode
        return self.model.output.detach().float().cpu()

    def guidance(self, item: Mapping[str, Any]) -> np.ndarray | None:
        """Compute the guidance maps of an image on the patch grid (SeG-SR eq. 8).

        Args:
            item: With ``lq``: (3, H, W) RGB in [0, 1], and perhaps ``gt``.

        Returns:
            (k, Hc, Wc) float16 in [-1, 1], Hc = ceil(sH / p); ``None`` without a guide that has maps.
        """
        if not self.has_maps:
            return None
        seen = (item["lq"], item.get("gt"))
        with torch.no_grad():
            images = (None if image is None else image.unsqueeze(0).to(self.device) for image in seen)
            maps = self.network.guide.view(*images).maps[0]
        return maps.clamp(-1, 1).cpu().numpy().astype(np.float16)

    @property
    def has_maps(self) -> bool:
        """Whether the network has a semantic guide, and that guide has maps."""
        return isinstance(self.network, GuidedNetwork) and self.network.has_maps

    @property
    def cells_per_pixel(self) -> float | None:
        """Side of an LR pixel in cells of the guidance maps; ``None`` without a guide that has maps."""
        if not self.has_maps:
            return None
        return self.scale / self.network.guide.feature_extraction.patch_size


def load_trained(
    option_file: str | Path, *, device: str | None = None, overrides: Sequence[str] = (), reads_data: bool = True
) -> TrainedNetwork:
    """Build the network of a test's option file and load its weights; see :func:`check_test`.

    Raises:
        ConfigError: If the options are wrong, or the device is not there.
        CheckpointError: If the weights cannot be read or do not fit.
        WeightsError: If weights of the vision-language model cannot be had.
    """
    return TrainedNetwork(check_test(option_file, device=device, overrides=overrides, reads_data=reads_data))


def check_test(
    option_file: str | Path, *, device: str | None = None, overrides: Sequence[str] = (), reads_data: bool = True
) -> CheckedTest:
    """Read and check a test's option file.

    Args:
        option_file: As for ``basicsr test``; it is checked in the same way.
        device: ``cpu`` or ``cuda``; ``None`` takes ``num_gpu`` of the options.
        overrides: Changes such as ``path:param_key_g=params``, as for ``--force_yml``.
        reads_data: Whether its data sets are to be read; if not, they need not be there.

    Returns:
        What is needed to load the network.

    Raises:
        ConfigError: If the options are wrong, or the device is not there.
        CheckpointError: If the weights cannot be read or do not fit.
        WeightsError: If weights of the vision-language model cannot be had.
    """
    opt = read_run_options(option_file, overrides)
    if device is not None:
        if device not in ("cpu", "cuda"):
            raise ConfigError(f"--device: {device!r} is not known; use cpu or cuda.")
        if device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("--device cuda: torch sees no GPU here; use --device cpu.")
        opt["num_gpu"] = 0 if device == "cpu" else 1
    source = str(option_file)
    for text in check_options(opt, is_train=False, source=source, passes_images=True, reads_data=reads_data):
        logger.warning(text)
    with contextlib.redirect_stdout(io.StringIO()):  # BasicSR prints that it is not distributed
        opt, _ = complete_options(opt, parse=basicsr.test.parse_options, source=option_file, is_train=False)
    text = Path(option_file).read_text(encoding="utf-8-sig")
    changes = "".join(f"# changed on the command line: {change}\n" for change in overrides)
    return CheckedTest(opt=opt, text=changes + text)


def images_as_datasets(*, gt: str, lq: str | None = None, name: str | None = None) -> list[str]:
    """Make the changes of a test's options that let it measure other images.

    Args:
        gt: Ground truth, a folder or an LMDB.
        lq: LR images of the same names; without them the ground truth is reduced as MATLAB's bicubic reduction does.
        name: Of the data set; without one that of the folder.

    Returns:
        ``overrides`` of :func:`check_test`.
    """
    data: dict[str, Any] = {"name": name or dataset_name_of(gt), "dataroot_gt": gt}
    data["io_backend"] = {"type": "lmdb" if gt.rstrip("/").endswith(".lmdb") else "disk"}
    if lq is None:
        data |= {"type": "BlindPairedDataset", "degradation": [{"type": "reduce", "how": "bicubic"}]}
    else:
        data |= {"type": "PairedImageDataset", "dataroot_lq": lq}
    return [f"datasets={json.dumps({'test': data})}"]
