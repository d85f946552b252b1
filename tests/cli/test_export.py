import re

import pytest
import torch
import yaml

from segsr_arch.cli.segsr import main
from segsr_arch.models.trained import load_trained
from tests.models.test_trained import write_test_options


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_exported_is_tested_by_its_own_option_file(here, capsys):
    options = write_test_options(here)
    before = load_trained(options)
    assert main(["export", "-opt", str(options), "--images", "2", "--precision", "fp32"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"fp32 against the trained network on 2 images: PSNR (inf|1\d\d\.\d) dB between them", shown)
    assert re.search(r"largest difference 0\.00 of 255; PSNR against the ground truth changes by [+-]0\.0000 dB", shown)
    written = yaml.safe_load((here / "exported/tiny_fp32.yml").read_text())
    assert written["name"] == "tiny_fp32" and written["network_g"]["type"] == "InferenceForm"
    assert written["network_g"]["network"]["semantics"]["pretrained"] is None
    assert written["path"]["pretrain_network_g"] == "exported/tiny_fp32.pth"
    assert "exported/tiny_fp32.pth (" in shown and "exported/tiny_fp32.yml (" in shown
    after = load_trained("exported/tiny_fp32.yml")
    assert after.vlm == before.vlm
    item = next(before.datasets())[1][0]
    with torch.no_grad():
        lq = item["lq"].unsqueeze(0)
        torch.testing.assert_close(after.network(lq), before.network(lq), atol=1e-5, rtol=1e-5)
    assert (after.guidance(item) == before.guidance(item)).all()


def test_basicsr_and_segsr_evaluate_take_it(here, capsys):
    options = write_test_options(here)
    assert main(["export", "-opt", str(options), "--precision", "bf16"]) == 0
    assert re.search(r"bf16 against the trained network on 5 images: PSNR [4-9]\d\.\d dB", capsys.readouterr().out)
    assert main(["evaluate", "-opt", "exported/tiny_bf16.yml", "--no-images"]) == 0
    assert "tiny_bf16" in capsys.readouterr().out


def test_a_configuration_of_the_vision_language_model_goes_into_the_option_file(here, capsys):
    options = write_test_options(here)
    content = yaml.safe_load(options.read_text())
    vlm = content["network_g"]["semantics"]["vlm"]
    (here / "vlm.yml").write_text(yaml.safe_dump(vlm))
    content["network_g"]["semantics"]["vlm"] = "vlm.yml"
    state = torch.load("models/net_g_1.pth", weights_only=True)
    options.write_text(yaml.safe_dump(content))
    assert main(["export", "-opt", str(options), "--precision", "fp32"]) == 0
    (here / "vlm.yml").unlink()
    written = yaml.safe_load((here / "exported/tiny_fp32.yml").read_text())
    assert written["network_g"]["network"]["semantics"]["vlm"] == vlm and state
    assert load_trained("exported/tiny_fp32.yml").network is not None


def test_a_network_without_a_guide_is_exported(here, capsys):
    network = {"type": "MSRResNet", "num_feat": 4, "num_block": 2, "upscale": 2}
    options = write_test_options(here, network=network)
    assert main(["export", "-opt", str(options)]) == 0
    written = yaml.safe_load((here / "exported/tiny_bf16.yml").read_text())
    assert written["network_g"] == {"type": "InferenceForm", "precision": "bf16", "network": network}
    assert load_trained("exported/tiny_bf16.yml").network.body[0].conv1.weight.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--images", "0"), "--images: must be at least 1, got 0"),
        (("--force_yml", "path:pretrain_network_g=~"), "pretrain_network_g: is missing; there is nothing to export"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_nothing_written(here, capsys, arguments, words):
    options = write_test_options(here)
    assert main(["export", "-opt", str(options), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not (here / "exported").exists()


def test_what_is_exported_is_not_exported_again(here, capsys):
    options = write_test_options(here)
    assert main(["export", "-opt", str(options)]) == 0
    assert main(["export", "-opt", "exported/tiny_bf16.yml", "--out", "again"]) == 2
    assert "in the form for inference already; export the trained one" in capsys.readouterr().err
    assert not (here / "again").exists()


def test_a_training_checkpoint_in_the_option_file_of_an_exported_one_is_refused_at_once(here, capsys):
    options = write_test_options(here)
    assert main(["export", "-opt", str(options)]) == 0
    exported = here / "exported/tiny_bf16.yml"
    exported.write_text(exported.read_text().replace("exported/tiny_bf16.pth", "models/net_g_1.pth"))
    assert main(["evaluate", "-opt", str(exported)]) == 2
    assert "is in the form for training, but this network is in that for inference, bf16" in capsys.readouterr().err
