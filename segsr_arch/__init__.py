"""SeG-SR as a plugin of BasicSR.

Importing this package repairs stock ``basicsr`` 1.4.2 on today's Python stack and registers the project's networks,
models, data sets and metrics with it, so that they can be named in option files. Import it before or after ``basicsr``.
"""

from segsr_arch import compat
from segsr_arch.compat.installation import find_installation, importing_from
from segsr_arch.running import logs
from segsr_arch.version import __version__

__all__ = ["__version__"]

logs.connect()
compat.apply()

with importing_from(find_installation()):
    from segsr_arch.archs import (
        bicubic_arch,  # noqa: F401
        hat_arch,  # noqa: F401
        haunet_arch,  # noqa: F401
        mfghmoe_arch,  # noqa: F401
        mssd_arch,  # noqa: F401
        pixel_diffusion_arch,  # noqa: F401
        segsr_arch,  # noqa: F401
        semantic_sr_arch,  # noqa: F401
        spt_arch,  # noqa: F401
        ttst_arch,  # noqa: F401
        vldm_arch,  # noqa: F401
    )
    from segsr_arch.compat.repairs import parse_options
    from segsr_arch.data import bicubic_paired_dataset, blind_paired_dataset  # noqa: F401
    from segsr_arch.export import inference_arch  # noqa: F401
    from segsr_arch.inference.window_sizes import knowing_window
    from segsr_arch.metrics import catalogue  # noqa: F401
    from segsr_arch.models import diffusion_model, distillation_model, segsr_model, training_model  # noqa: F401

    parse_options.network_completions.append(knowing_window)
