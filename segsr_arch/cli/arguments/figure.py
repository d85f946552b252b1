"""Arguments of ``segsr figure`` and its four kinds."""

import argparse
from pathlib import Path

FOLDER = Path("figures")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add ``figure`` and its four kinds to the command line."""
    parser = subparsers.add_parser(
        "figure",
        help="draw figures for a paper: compare, maps, curves, tradeoff",
        description="Draw what segsr evaluate and trainings have measured, as PNG (300 dpi) and PDF.",
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    _add_compare(kinds)
    _add_maps(kinds)
    _add_curves(kinds)
    _add_tradeoff(kinds)


def _add_kind(kinds: argparse._SubParsersAction, name: str, title: str, description: str) -> argparse.ArgumentParser:
    kind = kinds.add_parser(name, help=title, description=f"{title[0].upper()}{title[1:]}. {description}")
    kind.add_argument("--dataset", metavar="NAME", help="which data set, if there are several")
    kind.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"path of the figure; .png and .pdf are written (default: {FOLDER}/{name}_DATASET)",
    )
    return kind


def _add_compare(kinds: argparse._SubParsersAction) -> None:
    kind = _add_kind(
        kinds,
        "compare",
        "methods side by side, a region enlarged",
        "HR with the region framed, then the region in LR, bicubic, each method and HR, with PSNR (and SSIM) of the "
        "whole image. RUN is a folder of an evaluation (results/METHOD) or one above several, in the order of the "
        "pictures. Bicubic is computed from the LR image as MATLAB does, unless it is one of the methods.",
    )
    kind.add_argument("runs", nargs="+", metavar="RUN")
    kind.add_argument(
        "--image",
        nargs="+",
        metavar="NAME",
        help="images (default: the two on which the methods differ most)",
    )
    kind.add_argument(
        "--region",
        action="append",
        nargs="+",
        metavar="X",
        help="X Y WIDTH HEIGHT in HR pixels, or auto (the default): where the methods' errors differ most; repeated, "
        "one for each image",
    )
    kind.add_argument("--column", metavar="NAME", help="which figure, psnr_rgb-crop for instance (default: first PSNR)")


def _add_maps(kinds: argparse._SubParsersAction) -> None:
    kind = _add_kind(
        kinds,
        "maps",
        "guidance maps of every unit on one colour scale, alone and over the image",
        "RUN is a folder of the evaluation of a guided network (results/METHOD). Of several RUNs, of one above several "
        "evaluations, and of one whose SR images were not kept, the maps stand under one another, each minus its mean, "
        "beside them how alike those of two units are.",
    )
    kind.add_argument("runs", nargs="+", metavar="RUN")
    kind.add_argument(
        "--image",
        nargs="+",
        metavar="NAME",
        help="images (default: the two whose maps vary most, the one of several networks)",
    )
    kind.add_argument(
        "--overlay",
        action=argparse.BooleanOptionalAction,
        help="also draw the maps over the SR image (default: yes; of one network alone)",
    )
    kind.add_argument("--names", nargs="+", metavar="TEXT", help="what the networks are called, in the order of RUNs")


def _add_curves(kinds: argparse._SubParsersAction) -> None:
    kind = _add_kind(
        kinds,
        "curves",
        "validation figures over iterations, of runs and groups of runs",
        "RUN is experiments/NAME. Without evaluations in it, TensorBoard's event files in tb_logger/NAME are read.",
    )
    kind.add_argument("runs", nargs="*", metavar="RUN")
    kind.add_argument(
        "--group",
        action="append",
        default=[],
        metavar="NAME=RUN,RUN",
        help="runs that differ in the seed only: their mean, and a band from the least to the greatest; repeatable",
    )
    kind.add_argument("--column", metavar="NAME", help="which figure (default: the first PSNR)")
    kind.add_argument("--tensorboard", action="store_true", help="read event files even where there are evaluations")


def _add_tradeoff(kinds: argparse._SubParsersAction) -> None:
    kind = _add_kind(
        kinds,
        "tradeoff",
        "PSNR against parameters, multiply-accumulates and time, or against another figure",
        "RUN is a folder of an evaluation, or one above several; costs are measured with -opt.",
    )
    kind.add_argument("runs", nargs="+", metavar="RUN")
    kind.add_argument(
        "--points",
        type=Path,
        metavar="FILE.csv",
        help="published figures, drawn hollow: method,psnr,parameters,macs,seconds (the last three may be empty)",
    )
    kind.add_argument("--column", metavar="NAME", help="which figure (default: the first PSNR)")
    kind.add_argument(
        "--against", metavar="NAME", help="draw it against another figure instead, such as lr_consistency against lpips"
    )
