"""Scenes of any size: a raster in, a georeferenced one out, window by window. :func:`upscale` does one."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segsr_arch.scenes.upscaling import upscale as upscale

__all__ = ["upscale"]


def __getattr__(name: str) -> Any:
    """Import the function when it is asked for: command lines read the options of this room without torch."""
    if name == "upscale":
        from segsr_arch.scenes.upscaling import upscale

        return upscale
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
