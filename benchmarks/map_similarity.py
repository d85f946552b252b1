"""Do the units of guided networks look at different things? One line for each option file of a test.

    python benchmarks/map_similarity.py --folder reproduction reproduction/options/final_*.yml
    python benchmarks/map_similarity.py --untrained EDSR --data datasets/UCMerced      where do they start?

With ``--untrained`` the guides of ``segsr reproduce extra`` are built for that base in small, several times with other
draws of their weights, and look at the first validation images, spread over the classes; running statistics are those
of a few training images. ``--vlm`` and ``--vlm-pretrained`` are those of ``segsr reproduce``.

For every pair of units and every image of the test data: the cosine of their localization embeddings (SeG-SR eq. 7) and
the correlation of their maps over the patches (eq. 8), which the table of ``segsr reproduce extra`` has, too. Where a
map stands still within an image it has no correlation, and the pair is left out. The deviation within an image is that
of the maps, and of what the units get: maps that were standardised, scaled or exchanged, if they are. ``segsr figure
maps`` draws the maps of several networks, ``segsr explain`` shows one network in more detail.
"""

import argparse
import itertools
import os
import statistics
import sys
from pathlib import Path

import torch

import segsr_arch  # noqa: F401 (repairs basicsr before it is imported, and registers the networks)

# isort: split
from basicsr.archs import build_network
from basicsr.data import build_dataset

from segsr_arch.evaluation.map_statistics import map_statistics
from segsr_arch.evaluation.trained_network import load_trained
from segsr_arch.reproduction.paper_tables import make_table
from segsr_arch.reproduction.presets import PRESETS
from segsr_arch.reproduction.run_options import Settings, network_options
from segsr_arch.reproduction.variants import RECOMMENDED_UNITS
from segsr_arch.running.logs import errors_only
from segsr_arch.running.progress import progress


def measure(network, images):
    """Compare the units of a network over images.

    Args:
        network: Guided, with maps, in evaluation mode.
        images: Pairs of LR (1, 3, H, W) and HR (1, 3, sH, sW), which only an oracle sees; ``None`` where there is none.

    Returns:
        Mean and least value of ``cosine`` and ``correlation``; means of ``spread`` (of the maps) and ``given`` (to the
        units), both deviations within an image.
    """
    cosines, maps, given = [], [], []
    pairs = list(itertools.combinations(range(len(network.unit_paths)), 2))
    for lq, gt in images:
        with torch.no_grad():
            view = network.guide.view(lq, gt)
            given += network.guide(lq, gt)[0].flatten(1).std(dim=1, correction=0).tolist()
        embeddings = torch.nn.functional.normalize(view.embeddings[0].float(), dim=-1)
        maps.append(view.maps[0])
        cosines += [float(embeddings[one] @ embeddings[other]) for one, other in pairs]
    found = map_statistics(maps)
    return {
        "cosine": (statistics.fmean(cosines), min(cosines)),
        "correlation": (found.correlation, found.least),
        "spread": found.deviation,
        "given": statistics.fmean(given),
    }


def described(name, found):
    """A line of the Markdown table that :func:`main` prints."""
    (cosine, least), (correlation, lowest) = found["cosine"], found["correlation"]
    related = "none" if correlation is None else f"{correlation:.3f} ({lowest:+.3f})"
    return f"| {name} | {cosine:.4f} ({least:+.3f}) | {related} | {found['spread']:.3f} | {found['given']:.3f} |"


def with_truth(item):
    """LR and HR of an item of a data set, as batches of one."""
    return item["lq"].unsqueeze(0), item["gt"].unsqueeze(0) if "gt" in item else None


def spread_over(count, data):
    """So many places in a data set, evenly spread, so that they are of many classes."""
    return [number * len(data) // count for number in range(min(count, len(data)))]


def measure_trained(path):
    """Measure the network of a test's option file on all images of its data.

    Returns:
        Its name and what was found; ``None`` for the latter if it has no maps.
    """
    trained = load_trained(path, device="cpu")
    if not trained.has_maps:
        return trained.name, None
    _, data = next(trained.datasets())
    places = progress(range(len(data)), unit="image", what=trained.name, keep=False)
    return trained.name, measure(trained.network, (with_truth(data[place]) for place in places))


def measure_untrained(variant, settings, *, draws, images, teach):
    """Measure a guide that nobody has trained, over draws of its weights (seeds from 0), as :func:`measure` does.

    Args:
        variant: The guided network.
        settings: Of ``segsr reproduce``, with the folder of the data.
        draws: How many times it is built.
        images: Pairs of LR and HR.
        teach: Pairs of LR and HR of training, for running statistics.
    """
    found = []
    for seed in range(draws):
        torch.manual_seed(seed)
        with errors_only("segsr_arch.semantics"):
            network = build_network(network_options(variant, settings)).train()
        with torch.no_grad():
            network.guide(*(torch.cat(side) for side in zip(*teach, strict=True)))
        found.append(measure(network.eval(), images))
    whole = {name: statistics.fmean(one[name] for one in found) for name in ("spread", "given")}
    for name in ("cosine", "correlation"):
        known = [one[name] for one in found if one[name][0] is not None]
        whole[name] = (statistics.fmean(mean for mean, _ in known), min(least for _, least in known))
    return whole


def untrained_rows(parsed):
    """Lines of the guides of ``segsr reproduce extra`` that have maps of their own, untrained."""
    settings = Settings(
        preset=PRESETS["small"],
        dataset="UCM",
        scale=4,
        data=str(parsed.data),
        vlm=parsed.vlm,
        vlm_pretrained=parsed.vlm_pretrained,
    )

    def items(split, count):
        folders = {side: f"dataroot_{side}" for side in ("gt", "lq")}
        roots = {key: settings.folder(split, "HR" if side == "gt" else "LR") for side, key in folders.items()}
        options = {"name": split, "type": "PairedImageDataset", "io_backend": {"type": "lmdb"}, **roots}
        data = build_dataset({**options, "phase": "test", "scale": settings.scale})
        return [with_truth(data[place]) for place in spread_over(count, data)]

    images, teach = items("val", parsed.images), items("train", parsed.images)
    variants = {}
    for row in make_table("extra", base=parsed.untrained).rows:
        if row.variant.units is not None and row.variant.weights == "preset" and "maps" not in row.variant.semantics:
            variants.setdefault(row.variant.key, row)
    for row in progress(list(variants.values()), unit="guide", what="untrained", keep=False):
        found = measure_untrained(row.variant, settings, draws=parsed.draws, images=images, teach=teach)
        yield described(row.label, found)


def main(arguments=None):
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("options", nargs="*", type=Path, metavar="FILE", help="option file of a test of a network")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(),
        help="what the paths in option files are relative to, such as --out of segsr reproduce (default: here)",
    )
    parser.add_argument("--untrained", choices=tuple(RECOMMENDED_UNITS), help="guides of this base, untrained")
    parser.add_argument("--data", type=Path, help="with --untrained: folder that segsr prepare has written")
    parser.add_argument("--draws", type=int, default=5, help="with --untrained: of the weights (default: 5)")
    parser.add_argument("--images", type=int, default=15, help="with --untrained: how many (default: 15)")
    parser.add_argument("--vlm", help="with --untrained: vision-language model (default: the preset's)")
    parser.add_argument("--vlm-pretrained", help="with --untrained: its weights (default: random)")
    parser.add_argument("--threads", type=int, default=1)
    parsed = parser.parse_args(arguments)
    if bool(parsed.untrained) != bool(parsed.data) or bool(parsed.untrained) == bool(parsed.options):
        parser.error("give option files, or --untrained BASE with --data DIR")
    torch.set_num_threads(parsed.threads)
    print("| guide | cosine of units (least) | correlation of maps (least) | deviation of maps | of what units get |")
    print("|---|---|---|---|---|")
    if parsed.untrained:
        for line in untrained_rows(parsed):
            print(line, flush=True)
    paths = [path.resolve() for path in parsed.options]
    os.chdir(parsed.folder)
    for path in paths:
        name, found = measure_trained(path)
        if found is None:
            print(f"left out: {name} has no guide, or one that has no maps", file=sys.stderr)
        else:
            print(described(name, found), flush=True)


if __name__ == "__main__":
    main()
