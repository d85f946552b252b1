"""Arguments of ``segsr export``."""

import argparse
from pathlib import Path

from segsr_arch.capabilities import PRECISIONS
from segsr_arch.cli.arguments.kinds import whole_number
from segsr_arch.export import ENDINGS

FOLDER = Path("exported")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "export",
        help="write a trained network for inference: faster, in one file, without other weights",
        description="Folds LoRA into the vision-language model, computes constants once, casts the weights once, and "
        "writes a checkpoint that holds everything, with an option file for basicsr test and segsr evaluate. Then "
        "compares it with the trained network on images of the options' data sets. Or writes a program in float32 that "
        "needs none of this package, for ONNX or torch.export, for images and batches of any size, and tries it at "
        "three sizes. Or gives it a name, by which every command knows it.",
    )
    parser.add_argument("-opt", dest="opt", type=Path, required=True, metavar="FILE", help="option file of a test")
    parser.add_argument(
        "--format",
        choices=("checkpoint", "named", *ENDINGS),
        default="checkpoint",
        help="checkpoint: for basicsr test and segsr evaluate; named: float16 in safetensors with a card, for segsr "
        "models; onnx: a file for onnxruntime and others (needs segsr-arch[export]); torch: a program for "
        "torch.export.load (default: %(default)s)",
    )
    parser.add_argument("--name", metavar="NAME", help="name of the model, with --format named (default: that of FILE)")
    parser.add_argument(
        "--card",
        type=Path,
        metavar="FILE.yml",
        help="with --format named: title, use, limits, licence and more of the card; what the training recorded is "
        "filled in",
    )
    parser.add_argument(
        "--precision",
        choices=tuple(PRECISIONS),
        help="type of the weights and of the features between the first and the last convolution (default: bf16 for a "
        "checkpoint, fp32 for a program, which has no other)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help=f"where the files go (default: {FOLDER}; with --format named where segsr models looks for your own)",
    )
    parser.add_argument(
        "--images",
        type=whole_number(),
        default=8,
        metavar="N",
        help="compare a checkpoint on so many images of each data set (default: %(default)s)",
    )
    parser.add_argument(
        "--device", help="cpu or cuda (default: as num_gpu in the options says; a program is made on the cpu)"
    )
    parser.add_argument(
        "--force_yml", nargs="+", default=[], metavar="KEY=VALUE", help="changes of the options, as for basicsr"
    )
