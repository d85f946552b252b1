import json

import pytest

from segsr_arch.captions.files import check_captions, read_captions, read_records
from segsr_arch.cli import segsr
from segsr_arch.errors import ConfigError, DataError, WeightsError
from tests.captions.tiny_models import save_coca, save_llava
from tests.support import make_image, write_image


@pytest.fixture(scope="module")
def coca(tmp_path_factory):
    return save_coca(tmp_path_factory.mktemp("coca"))


@pytest.fixture
def data(tmp_path):
    for number in range(3):
        hr = make_image(number, 32, 32)
        write_image(tmp_path / f"data/train/HR/river/river{number}.png", hr)
        write_image(tmp_path / f"data/train/LR_x4/river/river{number}.png", hr[::4, ::4])
    return tmp_path / "data"


def run(data, *arguments):
    return segsr.main(["caption", str(data), "--lq", "train/LR_x4", *map(str, arguments)])


def test_captions_of_a_data_set_by_coca(data, coca, capsys):
    arguments = ("--gt", "train/HR", "--model", coca[0], "--pretrained", coca[1])
    assert run(data, *arguments) == 0
    out = capsys.readouterr().out
    assert out.endswith(f"captions: 3 made now, 0 kept; {data / 'captions.jsonl'}\n")
    captions = read_captions(data / "captions.jsonl")
    check_captions(captions, [f"river/river{number}" for number in range(3)], path="captions.jsonl")
    records = list(read_records(data / "captions.jsonl").values())
    assert all(record.caption.startswith("from ") and record.lq and record.gt for record in records)
    assert all(record.model.startswith("tiny_coca with weights tiny_coca.pt (digest ") for record in records)
    assert len({record.gt for record in records}) > 1
    written = (data / "captions.jsonl").read_bytes()
    assert run(data, *arguments) == 0
    assert "0 made now, 3 kept" in capsys.readouterr().out and (data / "captions.jsonl").read_bytes() == written


def test_a_model_of_transformers_is_asked_about_lr_alone(data, tmp_path, capsys):
    folder = save_llava(tmp_path / "llava")
    out = tmp_path / "new/said.jsonl"
    assert run(data, "--model", folder, "--prompt", "describe this image", "--tokens", 5, "--out", out) == 0
    for line in out.read_text().splitlines():
        record = json.loads(line)
        assert record["prompt"] == "describe this image" and record["rule"].startswith("text: from LR to LR with words")
        assert "gt" not in record and record["model"].endswith("at most 5 tokens")
        assert record["caption"] == record["lq"] or "blurred" in record["lq"]


def test_missing_weights_are_told_before_an_image_is_read(data, tmp_path, capsys):
    for image in data.rglob("*.png"):
        image.write_bytes(b"nothing that could be read")
    for model in ("/models/llava", "./llava"):
        assert run(data, "--model", model) == 2
        assert f"error: --model {model}: no such folder" in capsys.readouterr().err
    assert not (data / "captions.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("--style", "very " * 80, "--model", "m"), ConfigError, "the style words .* tokens long"),
        (("--gt", "train/GT", "--model", "m"), DataError, "--gt .*train/GT: no such folder"),
        (("--model", "coca_ViT-B-32"), ConfigError, "needs --pretrained"),
        (("--device", "gpu", "--model", "m"), ConfigError, "--device: 'gpu' is not known; use cpu, cuda or cuda:1"),
        (
            ("--model", "coca_ViT-B-32", "--pretrained", "laion"),
            WeightsError,
            "--pretrained: 'laion' is neither a file",
        ),
    ],
)
def test_what_is_wrong_is_told(data, arguments, error, message):
    args = segsr.build_parser().parse_args(["caption", str(data), "--lq", "train/LR_x4", *arguments])
    with pytest.raises(error, match=message):
        segsr.run(args)
    assert not (data / "captions.jsonl").exists()


def test_images_without_partner_or_that_are_broken_are_named(data, coca, capsys):
    (data / "train/HR/river/river1.png").unlink()
    (data / "train/LR_x4/river/river2.png").write_bytes(b"broken")
    assert run(data, "--gt", "train/HR", "--model", coca[0], "--pretrained", coca[1]) == 1
    errors = capsys.readouterr().err
    assert "  river/river1: LR image in " in errors and "LR_x4/river/river2.png" in errors
    assert list(read_captions(data / "captions.jsonl")) == ["river/river0"]
