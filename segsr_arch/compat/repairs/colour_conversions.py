"""Programs that were written for BasicSR 1.3 import its colour conversions (HAT does).

Symptom: "cannot import name 'rgb2ycbcr' from 'basicsr.utils.matlab_functions'".
Cause: 1.4 has moved them to ``basicsr.utils.color_util``.
"""


def repair() -> bool:
    """Let them be found in both modules."""
    from basicsr.utils import matlab_functions

    if hasattr(matlab_functions, "rgb2ycbcr"):
        return False
    from basicsr.utils import color_util

    for name in ("rgb2ycbcr", "bgr2ycbcr", "ycbcr2rgb", "ycbcr2bgr"):
        setattr(matlab_functions, name, getattr(color_util, name))
    return True
