"""Networks that sample: figures over seeds, their spread, and its map, which is shown only where it tells errors."""

import csv
import functools
import json
import weakref
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn
from torch.nn import functional
from torch.utils.data import default_collate

from segsr_arch.cli.segsr import main
from segsr_arch.errors import DataError
from segsr_arch.evaluation.chosen_metrics import ChosenMetrics
from segsr_arch.evaluation.figures.comparison_figure import compare_methods
from segsr_arch.evaluation.image_checks import Images
from segsr_arch.evaluation.measurement import Sample, measure_samples
from segsr_arch.evaluation.methods import Item, Method, computed_samples
from segsr_arch.evaluation.sample_spread import RunningSpread, read_spread, why_hidden, write_spread
from segsr_arch.evaluation.sparsification import rank_correlation
from segsr_arch.evaluation.trained_network import load_trained
from segsr_arch.inference.sampling_seeds import drawing_sample, samples_by_seed
from segsr_arch.metrics.metric import Metric
from segsr_arch.models.draws import number_of
from segsr_arch.results.reading import read_record
from segsr_arch.results.record import EvaluationRecord, ImageRow, SetValue
from segsr_arch.results.references import ImageReference
from segsr_arch.results.spread import Spread
from tests.evaluation.test_trained_network import write_test_options
from tests.support import TINY_MSSD, make_image, write_image

SIDE = 48


def sigma_map(width=SIDE):
    """How much is not known: nothing but the column decides, so that no gradient tells."""
    return 0.01 + 0.07 * torch.arange(width) / width


@ARCH_REGISTRY.register()
class DrawnTwin(nn.Module):
    """Enlarges and adds what is not known, ``confidence`` times too little."""

    def __init__(self, *, scale: int, confidence: float = 1.0) -> None:
        super().__init__()
        self.scale, self.confidence = scale, confidence
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, lq, seed=0):
        generator = torch.Generator().manual_seed(seed)
        large = functional.interpolate(lq, scale_factor=self.scale, mode="nearest")
        noise = torch.randn(large.shape[1:], generator=generator)
        return self.gain * large + noise * (sigma_map(large.shape[-1]) / self.confidence)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def options_of(root, **network):
    """Option file of a DrawnTwin, with images that it tells the truth about."""
    path = write_test_options(root, network={"type": "DrawnTwin", "scale": 2, **network})
    for index in range(5):
        lq = 64 + make_image(index, SIDE // 2, SIDE // 2) // 2
        noise = np.random.default_rng(index).normal(size=(SIDE, SIDE, 3)) * 255 * sigma_map().numpy()[:, None]
        gt = cv2.resize(lq, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST) + noise
        write_image(root / f"data/LR/im{index}.png", lq)
        write_image(root / f"data/HR/im{index}.png", gt.round().clip(0, 255).astype(np.uint8))
    return str(path)


def test_figures_are_means_over_seeds_with_their_spread_and_the_report_shows_the_map(here, capsys):
    path = options_of(here)
    assert main(["evaluate", "-opt", path, "--samples", "8", "--metric", "psnr", "lr_consistency", "--report"]) == 0
    folder = here / "results/tiny/evaluation/made"
    record = read_record(folder)
    assert record.samples == 8 and len(record.images) == 5 and record.problems == ()
    row = record.images[0]
    lq, gt = (cv2.imread(str(here / f"data/{place}/im0.png")) for place in ("LR", "HR"))
    given = torch.from_numpy(lq[..., ::-1].transpose(2, 0, 1).copy())[None].float() / 255
    drawn = [DrawnTwin(scale=2)(given, seed=seed)[0].detach().clamp(0, 1) for seed in range(8)]
    images = [(255 * each).round().numpy().astype(np.uint8).transpose(1, 2, 0)[..., ::-1] for each in drawn]
    measure = ChosenMetrics(metrics=["psnr"], scale=2, device=torch.device("cpu"))
    values = [measure.measure(Images(sr=np.ascontiguousarray(each), gt=gt)).values["psnr_y-crop"] for each in images]
    assert row.values["psnr_y-crop"] == pytest.approx(np.mean(values), abs=1e-6)
    assert row.spread.values["psnr_y-crop"] == pytest.approx(np.std(values, ddof=1), abs=1e-6)
    assert np.array_equal(row.sr.read(), images[0])
    expected = torch.stack(drawn).std(dim=0).mean(dim=0).numpy()
    assert read_spread(row.spread.map) == pytest.approx(expected, abs=1e-4)
    assert row.spread.correlation > row.spread.gradient_correlation and 0.6 < row.spread.coverage < 0.75
    mean = np.mean([each.spread.values["psnr_y-crop"] for each in record.images])
    assert record.spreads["psnr_y-crop"] == pytest.approx(mean)
    assert json.loads((folder / "evaluation.json").read_text())["samples"] == 8
    with open(folder / "images.csv", newline="") as file:
        first = next(csv.DictReader(file))
    assert float(first["psnr_y-crop std over samples"]) == pytest.approx(row.spread.values["psnr_y-crop"])
    out = capsys.readouterr().out
    assert f"± {mean:.4f} over 8 samples" in out and "standard deviation over the samples of an image" in out
    page = (here / "results/report.html").read_text()
    assert "tiny: spread of 8 samples, dark 0, bright" in page and "is not shown" not in page
    assert "tiny (first of 8 samples)" in page and "; behind ±: standard deviation over the samples" in page
    assert f"± {mean:.4f} over 8 samples" in page
    assert f"± {row.spread.values['psnr_y-crop']:.4f} dB" in page


def test_a_map_that_does_not_tell_errors_is_hidden_and_the_report_says_why(here, capsys):
    path = options_of(here, confidence=3.0)
    assert main(["evaluate", "-opt", path, "--samples", "4", "--metric", "psnr", "--report", "--no-cost"]) == 0
    page = (here / "results/report.html").read_text()
    assert "spread of 4 samples" not in page
    reason = "tiny: the map of the spread of its samples is not shown, because it is too small: one standard deviation"
    assert reason in page and reason in capsys.readouterr().out


def test_without_images_there_is_no_map_but_the_figures(here):
    assert main(["evaluate", "-opt", options_of(here), "--samples", "2", "--no-images", "--no-cost"]) == 0
    folder = here / "results/tiny/evaluation/made"
    record = read_record(folder)
    assert (
        not (folder / "spread").exists() and record.images[0].spread.map is None and record.spreads["ssim_y-crop"] > 0
    )


def test_networks_that_do_not_sample_and_senseless_numbers_are_refused(here, capsys):
    path = str(write_test_options(here, network={"type": "Bicubic", "upscale": 2}))
    for arguments, message in (
        (["-opt", path, "--samples", "8"], "test.yml: Bicubic does not sample, its forward takes no seed"),
        (["-opt", path, "--samples", "1"], "--samples: needs at least 2 to tell their spread, got 1"),
        (["--sr", "data/HR", "--gt", "data/HR", "--samples", "8"], "--samples: is for -opt"),
    ):
        assert main(["evaluate", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert not (here / "results").exists()


def test_the_diffusion_network_under_its_model_draws_what_a_test_draws_and_then_others(here):
    """Its model class gives seeds that depend on the image, and other arguments besides."""
    path = write_test_options(here, network={"type": "MSSD", **TINY_MSSD, "scale": 2}, model_type="DiffusionModel")
    trained = load_trained(path)
    dataset = next(trained.datasets())[1]
    item = dataset[0]
    plain = trained.super_resolve(item)
    first, second = (trained.sample(item, number) for number in range(2))
    assert trained.samples and torch.equal(first, plain) and (second - plain).abs().mean() > 1e-3
    assert torch.equal(trained.sample(item, 1), second) and torch.equal(trained.super_resolve(item), plain)


def test_captions_and_names_of_ground_truth_reach_the_network_as_in_a_test(here, monkeypatch):
    """What is drawn depends on them, so that an evaluation would else draw other images than ``basicsr test``."""
    path = write_test_options(here, network={"type": "MSSD", **TINY_MSSD, "scale": 2}, model_type="DiffusionModel")
    trained = load_trained(path)
    asked = []
    forward = trained.network.forward

    def told(lq, captions=None, seed=None, **options):
        asked.append((captions, seed))
        return forward(lq, captions, seed, **options)

    monkeypatch.setattr(trained.network, "forward", told)
    item = {**next(trained.datasets())[1][0], "lq_path": "LR/im0x2.png", "gt_path": "HR/im0.png", "caption": "blurred"}
    trained.super_resolve(item)
    trained.model.feed_data(default_collate([item]))
    trained.model.test()
    assert asked[0] == asked[1] == (["blurred"], number_of(0, "im0"))


def test_the_comparison_figure_says_that_it_shows_one_sample(here):
    assert main(["evaluate", "-opt", options_of(here), "--samples", "3", "--no-cost"]) == 0
    figure = compare_methods([read_record(here / "results/tiny/evaluation/made")])
    texts = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    assert "tiny: the first of 3 samples; its values are means over them." in texts


def test_a_seed_of_the_caller_is_counted_on_and_other_arguments_stay():
    class Told(nn.Module):
        def forward(self, lq, captions=None, seed=None):
            return lq, captions, seed

    network = Told()
    assert samples_by_seed(network) and not samples_by_seed(nn.Conv2d(3, 3, 1))
    with drawing_sample(network, 3):
        assert network("lq") == ("lq", None, 3)
        assert network("lq", "text", 40) == ("lq", "text", 43)
        assert network("lq", seed=7, captions="text") == ("lq", "text", 10)
    assert network("lq", seed=7) == ("lq", None, 7)


def test_a_calibrated_spread_passes_and_each_that_is_not_has_its_reason():
    rng = np.random.default_rng(0)
    sigma = 0.02 + 0.08 * rng.random((3, 64, 64))

    def judged(*, scale=1.0, sigma_told=sigma, gt=True):
        middle = np.full((3, 64, 64), 0.5)
        samples = [middle + scale * sigma_told * rng.normal(size=sigma.shape) for _ in range(8)]
        truth = 255 * (middle + sigma * rng.normal(size=sigma.shape))
        image = truth.round().clip(0, 255).astype(np.uint8).transpose(1, 2, 0)[..., ::-1]
        running = RunningSpread()
        for sample in samples:
            running.add(sample)
        _, spread = running.against(image if gt else None)
        row = ImageRow(name="a", spread=spread)
        return why_hidden(EvaluationRecord(method="m", dataset="d", scale=4, images=(row,), samples=8))

    assert judged() is None
    assert judged(scale=3.0).startswith("it is too large: one standard deviation covers 0.9")
    assert judged(scale=0.2).startswith("it is too small")
    assert "no better than the gradient" in judged(sigma_told=0.11 - sigma)
    assert judged(scale=0.0) == "the samples do not differ from place to place"
    assert judged(gt=False) == "there is no ground truth to compare it with"


def test_of_many_samples_one_is_in_memory_at_a_time_and_the_figures_are_those_of_all_at_once(tmp_path):
    rng = np.random.default_rng(0)
    samples = (0.6 + 0.3 * rng.normal(size=(12, 3, 24, 24))).astype(np.float32)
    gt = make_image(0, 24, 24)
    earlier = []

    def draw(given, *, number):
        assert [each() is None for each in earlier] == [True] * number
        drawn = torch.from_numpy(samples[number].copy())
        earlier.append(weakref.ref(drawn))
        return drawn

    draws = [functools.partial(draw, number=number) for number in range(12)]
    method = Method(name="m", super_resolve=draws[0], samples=draws)
    item = Item(row=ImageRow(name="a"), read=lambda: (None, gt, gt))
    (sample,) = computed_samples(method, [item], tmp_path, scale=1)
    sample.load()  # raises what went wrong
    found, clipped = sample.row.spread, samples.clip(0, 1).astype(np.float64)
    deviation = clipped.std(axis=0, ddof=1)
    error = np.abs(clipped.mean(axis=0) - gt[..., ::-1].transpose(2, 0, 1) / 255)
    assert len(earlier) == 12 and read_spread(found.map) == pytest.approx(deviation.mean(axis=0), rel=1e-3)  # float16
    assert found.coverage == pytest.approx((error <= deviation).mean(), abs=1e-6)
    assert found.correlation == pytest.approx(rank_correlation(deviation.mean(0), error.mean(0)), abs=1e-6)


def test_metrics_of_whole_sets_have_a_value_for_each_sample():
    metric = Metric(
        name="level", title="Level", better="lower", description="",
        loader=lambda *, device: ("numpy", lambda image: np.array([image.mean()])),
        combine=lambda sr, gt: SetValue(value=float((sr - gt).mean()), std=None, n=len(sr)),
    )  # fmt: skip
    gt = make_image(0, 16, 16) // 2
    images = [Images(sr=gt + step, gt=gt) for step in (10, 20, 60)]
    loads = [lambda each=each: each for each in images]
    samples = [Sample(row=ImageRow(name=name), load=loads[0], others=tuple(loads[1:])) for name in "ab"]
    chosen = ChosenMetrics(metrics=[metric], scale=2, device=torch.device("cpu"))
    found = measure_samples(samples, total=2, metrics=chosen, description="test", jobs=1).set_values["level"]
    assert (found.value, found.n) == (pytest.approx(30), 2) and found.std == pytest.approx(np.std([10, 20, 60], ddof=1))


def test_a_value_that_one_sample_lacks_is_missing_and_said_once():
    def load(sr):
        return lambda: Images(sr=sr, gt=gt)

    gt = make_image(0, 16, 16)
    black = np.zeros_like(gt)
    row = ImageRow(name="a", spread=Spread(values={}))
    chosen = ChosenMetrics(metrics=["psnr", "sam"], scale=2, device=torch.device("cpu"))
    sample = Sample(row=row, load=load(gt), others=(load(black), load(black)))
    found = measure_samples([sample], total=1, metrics=chosen, description="test")
    assert found.problems == ("a: sam: is not defined for this image (NaN)",)
    assert found.images[0].values == {"psnr_y-crop": np.inf} and found.images[0].spread.values == {}


def test_spread_maps_that_are_broken_are_named(tmp_path):
    place = ImageReference(path=str(tmp_path / "spread/a.npz"))
    write_spread(tmp_path / "spread/a.npz", np.full((2, 3), 0.25))
    assert read_spread(place).tolist() == [[0.25] * 3] * 2
    np.savez(place.path, spread=np.full((2, 3), np.nan))
    with pytest.raises(DataError, match="expected a finite spread"):
        read_spread(place)
    with pytest.raises(DataError, match="the spread maps are not there"):
        read_spread(replace(place, path=place.path + "x"))
