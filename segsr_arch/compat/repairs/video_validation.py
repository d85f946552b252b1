"""Video models validate on the CPU.

Symptom: "Found no NVIDIA driver", or tensors on two devices with ``num_gpu: 0``, in the first validation.
Cause: ``VideoBaseModel`` and ``VideoRecurrentModel`` make the tensors for the figures of frames on ``cuda``, if they
are not there. The latter also reshapes the data set's tensors in place after they were fed, which are the model's own
where nothing is moved to a GPU.
"""

from collections.abc import Callable
from typing import Any

import torch

from segsr_arch.compat.patching import is_stock
from segsr_arch.replacing import replaced


def repair() -> bool:
    """Make these tensors on the model's device before they are looked for, and feed copies."""
    from basicsr.models.video_base_model import VideoBaseModel
    from basicsr.models.video_recurrent_model import VideoRecurrentModel

    classes = (VideoBaseModel, VideoRecurrentModel)
    if not all(is_stock(cls.dist_validation, "cuda", "Counter") for cls in classes):
        return False
    for cls in classes:
        cls.dist_validation = _with_frame_figures(cls.dist_validation)
    return True


def _with_frame_figures(stock: Callable[..., None]) -> Callable[..., None]:
    def dist_validation(self: Any, dataloader: Any, current_iter: Any, tb_logger: Any, save_img: bool) -> None:
        metrics = self.opt["val"].get("metrics")
        if metrics is not None and not hasattr(self, "metric_results"):
            folders = list(dataloader.dataset.data_info["folder"])
            self.metric_results = {
                folder: torch.zeros(folders.count(folder), len(metrics), device=self.device) for folder in set(folders)
            }
        with replaced(self, "feed_data", _of_copies(self.feed_data)):
            return stock(self, dataloader, current_iter, tb_logger, save_img)

    return dist_validation


def _of_copies(feed_data: Callable[[Any], None]) -> Callable[[Any], None]:
    def feed(data: Any) -> None:
        feed_data({key: value.clone() if torch.is_tensor(value) else value for key, value in data.items()})

    return feed
