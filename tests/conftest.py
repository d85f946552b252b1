"""The package comes first: it repairs basicsr, which test modules import by themselves."""

import segsr_arch  # noqa: F401
