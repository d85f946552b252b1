"""Do the units of guided networks look at different things? One line for each option file of a test.

    python benchmarks/map_similarity.py options/final_HAT_u6_UCM_x4_random_seed*.yml

For every pair of units and every image of the test data: the cosine of their localization embeddings (SeG-SR eq. 7) and
the correlation of their maps over the patches (eq. 8). Where a map stands still within an image it has no correlation,
and the pair is left out. ``segsr explain`` shows one network in more detail.
"""

import argparse
import itertools
import statistics

import torch
import yaml

import segsr_arch  # noqa: F401 (repairs basicsr before it is imported, and registers the networks)

# isort: split
from basicsr.archs import build_network
from basicsr.data import build_dataset

from segsr_arch.running.progress import progress


def load(options):
    """Build the network of a test's options with its weights; refuses one without maps."""
    path = options["path"]["pretrain_network_g"]
    content = torch.load(path, map_location="cpu", weights_only=True)
    network = build_network(options["network_g"])
    network.load_state_dict(content.get("params_ema") or content["params"])
    if not network.has_maps:
        raise SystemExit(f"{path}: this guide has no maps (semantics: modules: {network.guide.config.modules}).")
    return network.eval()


def measure(network, images):
    """Compare the units of a network over images (1, 3, H, W); returns means and least values of both similarities."""
    cosines, correlations, spreads = [], [], []
    pairs = list(itertools.combinations(range(len(network.unit_paths)), 2))
    for image in images:
        with torch.no_grad():
            view = network.guide.view(image)
        embeddings = torch.nn.functional.normalize(view.embeddings[0].float(), dim=-1)
        maps = view.maps[0].flatten(1)
        spreads += maps.std(dim=1).tolist()
        between = torch.corrcoef(maps)
        for one, other in pairs:
            cosines.append(float(embeddings[one] @ embeddings[other]))
            if between[one, other].isfinite():
                correlations.append(float(between[one, other]))
    return {
        "cosine": (statistics.fmean(cosines), min(cosines)),
        "correlation": (statistics.fmean(correlations), min(correlations)) if correlations else (None, None),
        "spread": statistics.fmean(spreads),
    }


def main(arguments=None):
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("options", nargs="+", metavar="FILE", help="option file of a test of a guided network")
    parser.add_argument("--threads", type=int, default=1)
    parsed = parser.parse_args(arguments)
    torch.set_num_threads(parsed.threads)
    print("network: cosine of embeddings, mean (least); correlation of maps, mean (least); deviation within a map")
    for path in parsed.options:
        with open(path, encoding="utf-8") as file:
            options = yaml.safe_load(file)
        network = load(options)
        data = build_dataset({**next(iter(options["datasets"].values())), "phase": "test", "scale": network.upscale})
        places = progress(range(len(data)), unit="image", what=options["name"], keep=False)
        images = (data[place]["lq"].unsqueeze(0) for place in places)
        found = measure(network, images)
        (cosine, least), (correlation, lowest) = found["cosine"], found["correlation"]
        related = "none" if correlation is None else f"{correlation:.3f} ({lowest:+.3f})"
        print(f"{options['name']}: {cosine:.3f} ({least:+.3f}); {related}; {found['spread']:.3f}", flush=True)


if __name__ == "__main__":
    main()
