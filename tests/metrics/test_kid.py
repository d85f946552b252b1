import dataclasses
import itertools

import numpy as np
import pytest
import torch
import torchmetrics
from torchmetrics.image.kid import KernelInceptionDistance

from segsr_arch.errors import ConfigError, DataError, DependencyError
from segsr_arch.metrics.catalogue import find_metric
from segsr_arch.metrics.measures import kid
from segsr_arch.metrics.metric import plain
from segsr_arch.metrics.running_set import RunningSet
from tests.support import make_image

CPU = torch.device("cpu")
KID = find_metric("kid")


def mean_colour(image):
    """Stands for the network: three features an image."""
    return image.mean(axis=(0, 1)).astype(np.float32) / 64


def small_measure():
    small = dataclasses.replace(KID, loader=plain(mean_colour, backend="test"), package=None, reads="stored")
    return small.load(device=CPU)


def pairs(count):
    gts = [make_image(seed, 12, 12) for seed in range(count)]
    return [(np.roll(gt, 3, axis=2) // 2, gt) for gt in gts]


def u_statistic(first, second):
    """The estimate of Gretton et al. (2012), lemma 6, member by member."""

    def kernel(x, y):
        return (float(np.dot(x.astype(np.float64), y)) / len(x) + 1) ** 3

    n = len(first)
    total = 0.0
    for i, j in itertools.product(range(n), repeat=2):
        total -= 2 * kernel(first[i], second[j]) / n**2
        if i != j:
            total += (kernel(first[i], first[j]) + kernel(second[i], second[j])) / (n * (n - 1))
    return total


@pytest.mark.parametrize("count", [2, 7])
def test_against_the_definition(count):
    measure = small_measure()
    features = [measure.features(*pair) for pair in pairs(count)]
    found = KID.value_of_set(features)
    assert found.value == pytest.approx(u_statistic(*np.stack(features, axis=1)), abs=1e-9)
    assert (found.n, found.std) == (count, None)
    assert KID.value_of_set(features[::-1]).value == pytest.approx(found.value, abs=1e-12)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save")
def test_against_torchmetrics():
    class MeanColour(torch.nn.Module):
        num_features = 3

        def forward(self, images):
            return images

    random = np.random.default_rng(0)
    sr, gt = random.normal(0, 1, (2, 9, 3)).astype(np.float32)
    theirs = KernelInceptionDistance(feature=MeanColour(), subsets=1, subset_size=9)
    theirs.update(torch.from_numpy(gt), real=True)
    theirs.update(torch.from_numpy(sr), real=False)
    assert kid.kernel_distance(sr, gt).value == pytest.approx(theirs.compute()[0].item(), abs=1e-5)


def test_spread_over_subsets(monkeypatch):
    monkeypatch.setattr(kid, "SUBSET_SIZE", 20)
    random = np.random.default_rng(0)
    sr, gt = random.normal(0, 1, (2, 21, 4))
    assert kid.kernel_distance(sr[:20], gt[:20]).std is None
    found = kid.kernel_distance(sr, gt)
    assert found.std > 0 and found == kid.kernel_distance(sr, gt)
    larger = random.normal(0, 1, (2, 200, 4))
    assert kid.kernel_distance(*larger).std > found.std  # 20 of 21 are nearly all


def test_one_pair_is_too_few():
    with pytest.raises(DataError, match="kid: needs at least 2 image pairs, got 1"):
        KID.value_of_set([np.zeros((2, 3), np.float32)])


@pytest.mark.parametrize("count", [2, 5])
def test_mean_of_the_running_values_is_the_figure_of_the_set(count):
    measure, running = small_measure(), RunningSet(KID, images=count)
    features = [measure.features(*pair) for pair in pairs(count)]
    gts = [gt for _, gt in pairs(count)]
    for _ in range(2):  # two validations
        values = [running.add(each, gt) for each, gt in zip(features, gts, strict=True)]
        assert np.mean(values) == pytest.approx(KID.value_of_set(features).value, abs=1e-12)


@pytest.mark.parametrize("images", [4, 8])
def test_a_wrong_number_of_images_is_noticed(images):
    running = RunningSet(KID, images=images)
    gts = [gt for _, gt in pairs(6)]
    features = np.zeros((2, 3), np.float32)
    for gt in gts:
        running.add(features, gt)
    with pytest.raises(ConfigError, match=f"images: {images} is not the number of validation images"):
        for gt in gts:
            running.add(features, gt)


def test_repeated_images_are_no_wrong_number():
    running = RunningSet(KID, images=5)
    blank, other, last = np.zeros((9, 9, 3), np.uint8), make_image(0, 9, 9), make_image(1, 9, 9)
    for gt in [blank, blank, blank, other, last] * 3:
        running.add(np.zeros((2, 3), np.float32), gt)


def test_two_data_sets_of_the_same_size_may_alternate():
    running = RunningSet(KID, images=3)
    first, second = ([make_image(seed, 9, 9) for seed in seeds] for seeds in ((0, 1, 2), (3, 4, 5)))
    for gt in [*first, *second] * 2:
        running.add(np.zeros((2, 3), np.float32), gt)


def test_one_image_is_no_set():
    with pytest.raises(ConfigError, match="images: 1: KID needs at least 2"):
        RunningSet(KID, images=1)


def test_with_the_network(random_hub):
    measure = find_metric("kid").load(device=CPU)
    sr, gt = pairs(1)[0]
    features = measure.features(sr, gt)
    assert features.shape == (2, 2048) and features.dtype == np.float32
    assert (measure.features(gt, gt)[0] == features[1]).all() and (features[0] != features[1]).any()
    wide = measure.features(sr.astype(np.uint16) * 257, gt.astype(np.uint16) * 257)
    assert (wide == features).all()
    assert f"torchmetrics {torchmetrics.__version__}, torch-fidelity " in measure.backend


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch_fidelity", None)
    with pytest.raises(DependencyError, match=r"kid: needs torch-fidelity .* pip install 'segsr-arch\[perceptual\]'"):
        find_metric("kid").load(device=CPU)
