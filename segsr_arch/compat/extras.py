"""Small things that other packages, or BasicSR itself, have changed: JPEG qualities, matrix roots for FID, and more."""

import inspect
import secrets
import string
from types import SimpleNamespace

from segsr_arch.compat.patching import is_stock, substitute
from segsr_arch.errors import DependencyError


def repair_colour_conversions():
    """Let programs that were written for BasicSR 1.3 import its colour conversions (HAT does).

    Cause: 1.4 moved them from ``basicsr.utils.matlab_functions`` to ``basicsr.utils.color_util``.

    Returns:
        True if they had moved.
    """
    from basicsr.utils import matlab_functions

    if hasattr(matlab_functions, "rgb2ycbcr"):
        return False
    from basicsr.utils import color_util

    for name in ("rgb2ycbcr", "bgr2ycbcr", "ycbcr2rgb", "ycbcr2bgr"):
        setattr(matlab_functions, name, getattr(color_util, name))
    return True


def repair_jpeg_quality():
    """Round the quality of the JPEG degradation.

    Cause: ``random_add_jpg_compression`` draws a float; OpenCV takes whole numbers only.

    Returns:
        True if it was stock.
    """
    from basicsr.data import degradations

    stock = degradations.add_jpg_compression
    if not is_stock(stock, "imencode"):
        return False

    def add_jpg_compression(img, quality=90):
        return stock(img, round(float(quality)))

    substitute(stock, add_jpg_compression)
    return True


def repair_fid():
    """Compute FID with scipy 1.18 and newer.

    Cause: ``scipy.linalg.sqrtm`` has lost its argument ``disp``, with which it returned an error estimate, too.

    Returns:
        True if scipy's function lacks the argument.
    """
    from basicsr.metrics import fid

    sqrtm = fid.linalg.sqrtm
    if "disp" in inspect.signature(sqrtm).parameters or not is_stock(fid.calculate_fid, "sqrtm"):
        return False

    def sqrtm_with_disp(matrix, disp=True):
        root = sqrtm(matrix)
        return root if disp else (root, None)

    fid.linalg = SimpleNamespace(sqrtm=sqrtm_with_disp)
    return True


def repair_wandb():
    """Start a wandb run with a recent wandb.

    Cause: ``wandb.util.generate_id`` has moved. wandb is imported only when an option file asks for it.

    Returns:
        True if it was stock.
    """
    from basicsr.utils import logger

    stock = logger.init_wandb_logger
    if not is_stock(stock, "generate_id"):
        return False

    def init_wandb_logger(opt):
        try:
            import wandb
        except ModuleNotFoundError as error:
            raise DependencyError("logger: wandb needs the package wandb: pip install wandb") from error
        if not hasattr(wandb.util, "generate_id"):
            wandb.util.generate_id = _generate_id
        return stock(opt)

    substitute(stock, init_wandb_logger)
    return True


def _generate_id(length=8):
    """A run name like wandb's: lower-case letters and digits."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(length))
