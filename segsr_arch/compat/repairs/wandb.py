"""A wandb run starts with a recent wandb.

Symptom: "module 'wandb.util' has no attribute 'generate_id'".
Cause: it has moved within wandb, which is imported only when an option file asks for it.
"""

import secrets
import string
from collections.abc import Callable
from typing import Any

from segsr_arch.compat.patching import wrap_stock
from segsr_arch.errors import DependencyError


def repair() -> bool:
    """Put a function that draws such a name in its place, before BasicSR looks for it."""
    from basicsr.utils import logger

    def wrap(stock: Callable[..., Any]) -> Callable[..., Any]:
        def init_wandb_logger(opt: dict[str, Any]) -> Any:
            try:
                import wandb
            except ModuleNotFoundError as error:
                raise DependencyError("logger: wandb needs the package wandb: pip install wandb") from error
            if not hasattr(wandb.util, "generate_id"):
                wandb.util.generate_id = _generate_id
            return stock(opt)

        return init_wandb_logger

    return wrap_stock(logger, "init_wandb_logger", wrap, uses=("generate_id",))


def _generate_id(length: int = 8) -> str:
    """A run name like wandb's: lower-case letters and digits."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(length))
