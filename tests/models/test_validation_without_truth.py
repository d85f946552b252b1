"""Data sets without ground truth are measured by the metrics that need none."""

import math
from pathlib import Path

import pytest
from basicsr.data import build_dataloader, build_dataset
from basicsr.metrics import calculate_niqe
from basicsr.models import build_model
from basicsr.utils import imfrombytes

from segsr_arch.errors import ConfigError
from segsr_arch.metrics import entries
from segsr_arch.results.reading import read_record
from tests.metrics.backbones import write_clip
from tests.models.tiny import tiny_options
from tests.support import make_image, write_image

BICUBIC = {"type": "Bicubic", "upscale": 2}
PSNR = {"type": "calculate_psnr", "crop_border": 2}
NIQE = {"type": "calculate_niqe", "crop_border": 0, "better": "lower"}


def validated(root, metrics, *, model_type="SeGSRModel"):
    """Test bicubic interpolation on two LR images of 96 pixels; returns the model."""
    for index in range(2):
        write_image(root / f"alone/forest0{index}.png", make_image(index, 96, 96))
    options = tiny_options(root, is_train=False, network=BICUBIC, model_type=model_type, images=1)
    options["val"]["metrics"] = metrics
    single = {"name": "alone", "type": "SingleImageDataset", "dataroot_lq": str(root / "alone"), "phase": "test"}
    single |= {"io_backend": {"type": "disk"}, "scale": 2}
    model = build_model(options)
    model.validation(build_dataloader(build_dataset(single), single, num_gpu=0), "tiny", None, True)
    return model


@pytest.fixture(autouse=True)
def nothing_loaded():
    entries.forget_loaded()
    yield
    entries.forget_loaded()


@pytest.mark.parametrize("model_type", ["SeGSRModel", "SRModel"])
def test_metrics_that_look_at_the_sr_image_alone(tmp_path, model_type):
    clip = {"type": "calculate_clip_iqa", "model": str(write_clip(tmp_path / "clip"))}
    model = validated(tmp_path, {"niqe": NIQE, "iqa": clip}, model_type=model_type)
    written = sorted((tmp_path / "visualization/alone").glob("*.png"))
    values = [calculate_niqe(imfrombytes(path.read_bytes()), 0) for path in written]
    assert len(values) == 2 and model.metric_results["niqe"] == pytest.approx(math.fsum(values) / 2, rel=1e-5)
    assert 0 < model.metric_results["iqa"] < 1


def test_their_figures_by_image_and_class_are_kept(tmp_path):
    model = validated(tmp_path, {"niqe": NIQE})
    record = read_record(tmp_path / "results/evaluation/alone")
    assert [(row.name, row.class_name, row.gt) for row in record.images] == [
        ("forest00", "forest", None),
        ("forest01", "forest", None),
    ]
    assert record.summary["niqe"].mean == pytest.approx(model.metric_results["niqe"])
    assert record.column("niqe").better == "lower"


def test_sr_images_of_one_name_in_two_folders_are_both_kept(tmp_path):
    options = tiny_options(tmp_path, is_train=False, network=BICUBIC, images=1)
    for index, folder in enumerate(("Farm", "Forest")):
        write_image(tmp_path / f"HR/{folder}/001.png", make_image(index, 32, 32))
    data = {"name": "nested", "type": "BicubicPairedDataset", "dataroot_gt": str(tmp_path / "HR"), "phase": "val"}
    data |= {"io_backend": {"type": "disk"}, "scale": 2}
    model = build_model(options)
    model.validation(build_dataloader(build_dataset(data), data, num_gpu=0), "tiny", None, True)
    record = read_record(tmp_path / "results/evaluation/nested")
    images = [imfrombytes(Path(row.sr.path).read_bytes()) for row in record.images]
    assert [row.name for row in record.images] == ["Farm/001", "Forest/001"]
    assert (tmp_path / "visualization/nested/Farm/001_tiny.png").is_file() and (images[0] != images[1]).any()


def test_the_metrics_that_compare_are_named(tmp_path):
    metrics = {"niqe": NIQE, "psnr": PSNR, "kid": {"type": "calculate_kid", "images": 2, "better": "lower"}}
    message = r"datasets: alone: has no ground truth to compute val: metrics: psnr, kid with; .*remove these metrics"
    with pytest.raises(ConfigError, match=message):
        validated(tmp_path, metrics)
    assert not (tmp_path / "visualization/alone").exists()
