"""The module that torchvision has removed, and that importing BasicSR asks for.

Symptom: ``No module named 'torchvision.transforms.functional_tensor'`` at ``import basicsr``.
Cause: ``basicsr.data.degradations`` imports ``rgb_to_grayscale`` from there; torchvision 0.17 has it in
``torchvision.transforms.functional`` only.
"""

import importlib.util
import sys
from types import ModuleType

NAME = "torchvision.transforms.functional_tensor"


def repair() -> bool:
    """Put a module with that one function in its place, if it is missing."""
    if NAME in sys.modules or importlib.util.find_spec(NAME) is not None:
        return False
    from torchvision import transforms
    from torchvision.transforms.functional import rgb_to_grayscale

    module = ModuleType(NAME, "Stands in for the module that torchvision removed.")
    vars(module)["rgb_to_grayscale"] = rgb_to_grayscale
    sys.modules[NAME] = transforms.functional_tensor = module
    return True
