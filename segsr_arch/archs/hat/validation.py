"""Checks of HAT's arguments, before anything is built."""

import math
from collections.abc import Sequence

from segsr_arch.errors import ConfigError

UPSCALES = (1, 2, 3, 4, 8)


def check_arguments(
    *,
    upscale: int,
    in_chans: int,
    img_size: int,
    img_range: float,
    embed_dim: int,
    depths: Sequence[int],
    num_heads: Sequence[int],
    window_size: int,
    compress_ratio: float,
    squeeze_factor: float,
    overlap_ratio: float,
    mlp_ratio: float,
    drop_path_rate: float,
    upsampler: str,
    resi_connection: str,
) -> None:
    """Check the arguments of HAT, which are explained there.

    Raises:
        ConfigError: If some are wrong; all of them are named, each with a remedy.
    """
    problems = []

    def demand(right: bool, key: str, value: object, remedy: str) -> None:
        if not right:
            problems.append(f"{key}: {value!r}: {remedy}")

    for key, value in (("in_chans", in_chans), ("embed_dim", embed_dim), ("window_size", window_size)):
        demand(_is_count(value), key, value, "give a whole number of at least 1.")
    for key, value in (("depths", depths), ("num_heads", num_heads)):
        listed = (
            isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0 and all(map(_is_count, value))
        )
        demand(listed, key, value, "give a list of whole numbers of at least 1, one for each group.")
    for key, value in (("img_range", img_range), ("mlp_ratio", mlp_ratio)):
        demand(_is_number(value) and value > 0, key, value, "give a number above 0.")
    demand(
        _is_count(upscale) and upscale in UPSCALES, "upscale", upscale, f"give one of {', '.join(map(str, UPSCALES))}."
    )
    demand(
        _is_number(drop_path_rate) and 0 <= drop_path_rate < 1,
        "drop_path_rate",
        drop_path_rate,
        "give a number from 0 up to, not including, 1.",
    )
    demand(upsampler == "pixelshuffle", "upsampler", upsampler, "HAT has only pixelshuffle.")
    demand(resi_connection in ("1conv", "identity"), "resi_connection", resi_connection, "give 1conv or identity.")
    overlap_right = _is_number(overlap_ratio) and overlap_ratio >= 0
    demand(overlap_right, "overlap_ratio", overlap_ratio, "give a number of at least 0.")
    if not problems:
        demand(
            len(depths) == len(num_heads),
            "num_heads",
            list(num_heads),
            f"give as many entries as depths has ({len(depths)}).",
        )
        for heads in dict.fromkeys(num_heads):
            demand(embed_dim % heads == 0, "num_heads", heads, f"give a divisor of embed_dim ({embed_dim}).")
        for key, ratio in (("compress_ratio", compress_ratio), ("squeeze_factor", squeeze_factor)):
            demand(
                _is_number(ratio) and 0 < ratio <= embed_dim,
                key,
                ratio,
                f"give a number above 0 and at most embed_dim ({embed_dim}).",
            )
        demand(embed_dim * mlp_ratio >= 1, "mlp_ratio", mlp_ratio, "give at least 1 / embed_dim.")
        overlap = int(window_size * overlap_ratio)
        demand(
            overlap % 2 == 0,
            "overlap_ratio",
            overlap_ratio,
            f"window_size * overlap_ratio is {overlap}; make it even, so that it is the same on both sides.",
        )
        demand(
            _is_count(img_size) and img_size >= window_size,
            "img_size",
            img_size,
            f"give at least window_size ({window_size}); images of any size work nevertheless.",
        )
    if problems:
        raise ConfigError("HAT: " + " ".join(problems))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
