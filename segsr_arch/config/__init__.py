"""Reading option files and checking them before a run: :func:`read_options`, :func:`check_options`."""

from segsr_arch.config.check import check_options
from segsr_arch.config.overrides import apply_overrides
from segsr_arch.config.yaml_file import parse_scalar, read_options
from segsr_arch.option_keys import Key, needed

__all__ = ["Key", "apply_overrides", "check_options", "needed", "parse_scalar", "read_options"]
