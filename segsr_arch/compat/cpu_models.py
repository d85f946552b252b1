"""Model and network classes that ask for a GPU although what they compute needs none."""

import torch
from torch.nn import functional

from segsr_arch.compat.patching import is_stock, substitute
from segsr_arch.errors import ConfigError
from segsr_arch.replacing import replaced


def repair_degrading_models():
    """Let ``RealESRNetModel`` and ``RealESRGANModel`` train where their networks are.

    Cause: they move what degrades the images, and the pool of degraded pairs, to the current GPU by ``.cuda()``,
    whatever ``num_gpu`` says: "Found no NVIDIA driver" without one, tensors on two devices with ``num_gpu: 0``.

    ``filter2D`` takes the pixels of an image for adjacent, which they are not after other steps on the CPU.

    Returns:
        True if both were stock.
    """
    from basicsr.models import realesrgan_model, realesrnet_model
    from basicsr.utils.img_process_util import filter2D

    pairs = ((realesrnet_model, "RealESRNetModel"), (realesrgan_model, "RealESRGANModel"))
    classes = [getattr(module, name) for module, name in pairs]
    if not all(is_stock(cls.__init__, "cuda") and is_stock(cls._dequeue_and_enqueue, "cuda") for cls in classes):
        return False
    for module, name in pairs:
        cls = getattr(module, name)
        for part in ("DiffJPEG", "USMSharp"):
            setattr(module, part, _staying(getattr(module, part)))
        cls.__init__ = _moving_parts(cls.__init__)
        cls._dequeue_and_enqueue = _with_pool(cls._dequeue_and_enqueue)
    substitute(filter2D, lambda img, kernel: filter2D(img.contiguous(), kernel))
    return True


def _staying(part):
    """A module class whose ``cuda`` leaves it where it is."""
    return type(part.__name__, (part,), {"cuda": lambda self: self, "__module__": part.__module__})


def _moving_parts(stock):
    def __init__(self, opt):
        stock(self, opt)
        self.jpeger, self.usm_sharpener = self.jpeger.to(self.device), self.usm_sharpener.to(self.device)

    return __init__


def _with_pool(stock):
    def _dequeue_and_enqueue(self):
        if not hasattr(self, "queue_lr"):
            batch = len(self.lq)
            if self.queue_size % batch:
                raise ConfigError(
                    f"queue_size: {self.queue_size} is no multiple of the batch of {batch} images that it is filled "
                    f"with; take {-(-self.queue_size // batch) * batch}."
                )
            self.queue_lr = self.lq.new_zeros(self.queue_size, *self.lq.shape[1:])
            self.queue_gt = self.gt.new_zeros(self.queue_size, *self.gt.shape[1:])
            self.queue_ptr = 0
        stock(self)

    return _dequeue_and_enqueue


def repair_video_validation():
    """Let video models validate on the CPU.

    Cause: ``VideoBaseModel`` and ``VideoRecurrentModel`` keep the figures of frames in tensors on ``cuda``, also with
    ``num_gpu: 0``. They make them in the first validation only, if they are not there. The latter also reshapes the
    data set's tensors in place after they were fed, which are the model's own where nothing is moved to a GPU.

    Returns:
        True if both were stock.
    """
    from basicsr.models.video_base_model import VideoBaseModel
    from basicsr.models.video_recurrent_model import VideoRecurrentModel

    classes = (VideoBaseModel, VideoRecurrentModel)
    if not all(is_stock(cls.dist_validation, "cuda", "Counter") for cls in classes):
        return False
    for cls in classes:
        cls.dist_validation = _with_frame_figures(cls.dist_validation)
    return True


def _with_frame_figures(stock):
    def dist_validation(self, dataloader, current_iter, tb_logger, save_img):
        metrics = self.opt["val"].get("metrics")
        if metrics is not None and not hasattr(self, "metric_results"):
            folders = list(dataloader.dataset.data_info["folder"])
            self.metric_results = {
                folder: torch.zeros(folders.count(folder), len(metrics), device=self.device) for folder in set(folders)
            }
        with replaced(self, "feed_data", _of_copies(self.feed_data)):
            return stock(self, dataloader, current_iter, tb_logger, save_img)

    return dist_validation


def _of_copies(feed_data):
    def feed(data):
        feed_data({key: value.clone() if torch.is_tensor(value) else value for key, value in data.items()})

    return feed


def repair_fused_activation():
    """Let StyleGAN2 run where BasicSR's CUDA extension is not compiled, on the CPU above all.

    Cause: ``fused_leaky_relu`` knows the extension alone ("name 'fused_act_ext' is not defined").

    Returns:
        True if it was stock.
    """
    from basicsr.ops.fused_act import fused_act

    stock = fused_act.fused_leaky_relu
    if not is_stock(stock, "FusedLeakyReLUFunction"):
        return False
    compiled = hasattr(fused_act, "fused_act_ext")

    def fused_leaky_relu(input, bias, negative_slope=0.2, scale=2**0.5):
        if compiled and input.is_cuda:
            return stock(input, bias, negative_slope, scale)
        bias = bias.reshape(1, -1, *[1] * (input.dim() - 2))
        return scale * functional.leaky_relu(input + bias, negative_slope)

    substitute(stock, fused_leaky_relu)
    return True


def repair_deformable_alignment():
    """Let BasicVSR++ be the same network on the CPU as on a GPU.

    Cause: it leaves out its deformable alignment, with a warning, where there is no GPU; that convolution is
    torchvision's, which runs on the CPU, too.

    Returns:
        True if it was stock.
    """
    from basicsr.archs.basicvsrpp_arch import BasicVSRPlusPlus

    stock = BasicVSRPlusPlus.__init__
    if not is_stock(stock, "is_available"):
        return False

    def __init__(self, *args, **kwargs):
        with replaced(torch.cuda, "is_available", lambda: True):
            stock(self, *args, **kwargs)

    BasicVSRPlusPlus.__init__ = __init__
    return True
