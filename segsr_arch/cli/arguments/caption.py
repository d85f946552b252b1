"""Arguments of ``segsr caption``."""

import argparse
from pathlib import Path

from segsr_arch.captions.budget import STYLE
from segsr_arch.captions.captioner import MOST_TOKENS
from segsr_arch.captions.change import DIFFERENCES
from segsr_arch.cli.arguments.kinds import add_conversion, whole_number


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "caption",
        help="describe what would have to change in LR images to become HR images",
        description="A model describes LR and HR images; the caption is what differs, cut to the 77 tokens of CLIP "
        "with room for style words. Without --gt it is made from the LR image alone: words of poor quality (blurry, "
        "noisy, hazy) become their opposites. Writes one JSON object a line, which data sets read (caption_file:). "
        "The same command goes on after an interruption; captions written by hand stay.",
    )
    parser.add_argument("data", metavar="DATA", type=Path, help="folder of the data set")
    parser.add_argument("--lq", required=True, metavar="DIR", help="folder or LMDB of LR images, seen from DATA")
    parser.add_argument("--gt", metavar="DIR", help="folder or LMDB of HR images, seen from DATA")
    parser.add_argument(
        "--model",
        required=True,
        metavar="NAME",
        help="folder or hub name of a multimodal model of transformers (LLaVA-NeXT, Qwen-VL and the like), or, with "
        "--pretrained, a CoCa of open_clip (coca_ViT-B-32, coca_ViT-L-14, or a file with its configuration)",
    )
    parser.add_argument("--pretrained", metavar="TAG", help="tag or file of a CoCa's weights")
    parser.add_argument(
        "--prompt", metavar="TEXT", help="what the model is asked (default: land use, objects, and how the image looks)"
    )
    parser.add_argument(
        "--difference",
        choices=DIFFERENCES,
        default="text",
        help="text: 'from ... to ...'; embedding: both descriptions, which are embedded apart and subtracted (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--style", default=STYLE, metavar="WORDS", help="style words that room is left for (default: %(default)s)"
    )
    parser.add_argument(
        "--tokens",
        type=whole_number(least=1),
        default=MOST_TOKENS,
        metavar="N",
        help="length of a description at most (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="caption file (default: DATA/captions.jsonl)")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace captions by hand, by another model, or of images that changed"
    )
    add_conversion(parser, deep="they are named and left out", banded="are named and left out")
    parser.add_argument("--cache-dir", metavar="DIR", help="where downloads are (default: as the libraries have it)")
    parser.add_argument("--device", help="cpu or cuda (default: cuda if there is one)")
    parser.set_defaults(after_interruption="What was described is kept; run the same command to go on.")
