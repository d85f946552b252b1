"""Arguments of ``segsr evaluate``."""

import argparse
from pathlib import Path

from segsr_arch.cli.arguments.kinds import add_conversion, whole_number
from segsr_arch.metrics.protocols import PROTOCOLS

_EPILOG = """examples:
  segsr evaluate -opt options/test_SeGSR_UCM_x4.yml --protocol y-crop rgb-crop
  segsr evaluate --sr HAT=theirs/HAT --sr ours=results/ours --gt datasets/UCMerced/test/HR_x4 --scale 4
  segsr evaluate -opt options/tiny_test_MSSD_UCM_x4.yml --samples 8 --report
  segsr evaluate --model my-region-x4 --gt images/of/my/region
  segsr evaluate --list
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "evaluate",
        help="PSNR, SSIM and more, by named protocols, per image and class, with intervals",
        description="Measure trained networks (-opt) or the images of any method (--sr against --gt). Writes "
        "figures per image and class and means with 95 % intervals to results/METHOD/evaluation/DATASET, and compares "
        "methods if there are several.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what is measured")
    what.add_argument("-opt", nargs="+", default=[], metavar="FILE", help="option files of tests")
    what.add_argument(
        "--model", nargs="+", default=[], metavar="NAME", help="networks by name (segsr models lists them), with --gt"
    )
    what.add_argument(
        "--sr",
        action="append",
        default=[],
        metavar="[NAME=]DIR",
        help="images of a method (folder or LMDB); repeatable",
    )
    what.add_argument("--gt", metavar="DIR", help="ground truth (folder or LMDB), with --sr or --model")
    what.add_argument("--lq", metavar="DIR", help="LR images (folder or LMDB), with --sr or --model")
    what.add_argument(
        "--scale", type=whole_number(), metavar="N", help="upscaling factor, with --sr; taken from --lq if given"
    )
    what.add_argument("--dataset", metavar="NAME", help="name of the data set (default: folder of --gt)")
    add_conversion(
        what,
        deep="16 bits are measured as they are (their range is 0 to 65535), more are left out",
        banded="are left out",
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--protocol", nargs="+", metavar="NAME", help=f"{', '.join(PROTOCOLS)} (default: y-crop), for PSNR and SSIM"
    )
    how.add_argument(
        "--metric", nargs="+", default=["psnr", "ssim"], metavar="NAME", help="default: psnr ssim; see --list"
    )
    how.add_argument(
        "--imports",
        nargs="+",
        default=[],
        metavar="FILE.py",
        help="Python files or modules with metrics of your own, with --sr; this runs them (-opt: imports: of the file)",
    )
    how.add_argument("--vlm", metavar="NAME", help="open_clip model of clip_cosine (default: the option file's)")
    how.add_argument(
        "--vlm-pretrained", metavar="TAG", help="its weights: a tag or a file (default: the option file's)"
    )
    how.add_argument("--clip-iqa-model", metavar="NAME", help="model of clip_iqa: a name or a local folder")
    how.add_argument("--clip-iqa-weights", metavar="TAG", help="weights of clip_iqa_rn50: a tag of open_clip or a file")
    how.add_argument("--device", choices=("cpu", "cuda"), help="default: num_gpu of the option file, else cuda if any")
    how.add_argument("--force_yml", nargs="+", default=[], metavar="KEY=VALUE", help="changes to the option files")
    how.add_argument(
        "--samples",
        type=whole_number(),
        metavar="N",
        help="draw so many samples of each image, with -opt, of networks that sample: figures are the means over them, "
        "with their spread",
    )
    output = parser.add_argument_group("output")
    output.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="default: %(default)s")
    output.add_argument(
        "--report", action="store_true", help="also write report.html, and figures as PNG and PDF, to the same folder"
    )
    output.add_argument("--no-images", action="store_true", help="do not keep the SR images of -opt")
    output.add_argument("--no-cost", action="store_true", help="do not measure MACs and time of -opt")
    output.add_argument(
        "--allow-missing", action="store_true", help="exit code 0 even if something could not be measured"
    )
    output.add_argument("--list", action="store_true", help="list protocols and metrics, and end")
    parser.set_defaults(
        after_interruption="Evaluations that were finished are kept; the same command starts all of them anew."
    )
