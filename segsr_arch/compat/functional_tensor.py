"""A module that torchvision has removed, and that importing BasicSR asks for."""

import importlib.util
import sys
from types import ModuleType

NAME = "torchvision.transforms.functional_tensor"


def repair_functional_tensor():
    """Give ``basicsr.data.degradations`` the module that it imports ``rgb_to_grayscale`` from.

    Cause: torchvision 0.17 removed ``torchvision.transforms.functional_tensor``, so ``import basicsr`` fails.
    The function lives on in ``torchvision.transforms.functional``.

    Returns:
        True if the module was missing.
    """
    if NAME in sys.modules or importlib.util.find_spec(NAME) is not None:
        return False
    from torchvision import transforms
    from torchvision.transforms.functional import rgb_to_grayscale

    module = ModuleType(NAME, "Stands in for the module that torchvision removed.")
    module.rgb_to_grayscale = rgb_to_grayscale
    sys.modules[NAME] = transforms.functional_tensor = module
    return True
