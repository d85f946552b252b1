"""SeG-SR as a plugin of BasicSR.

Importing this package repairs stock ``basicsr`` 1.4.2 on today's Python stack and registers the project's networks,
models and metrics with it, so that they can be named in option files. Import it before or after ``basicsr``.
"""

import importlib.util
import sys
from pathlib import Path

from segsr_arch.errors import DependencyError

__version__ = "0.1.0"

if importlib.util.find_spec("basicsr") is None:
    _installer = Path(__file__).parent / "compat" / "install_basicsr.py"
    raise DependencyError(
        f'The package basicsr (1.4.2) is not installed. Install it with: "{sys.executable}" "{_installer}"'
    )

from segsr_arch import compat, logs  # noqa: E402

logs.connect()
compat.apply()

from segsr_arch.archs import (  # noqa: E402
    bicubic_arch,  # noqa: F401
    hat_arch,  # noqa: F401
    inference_arch,  # noqa: F401
    segsr_arch,  # noqa: F401
    semantic_sr_arch,  # noqa: F401
)
from segsr_arch.data import bicubic_paired_dataset  # noqa: E402, F401
from segsr_arch.metrics import registered  # noqa: E402, F401
from segsr_arch.models import segsr_model  # noqa: E402, F401
