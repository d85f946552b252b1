import json
import re

import onnxruntime
import pytest
import torch
import yaml

from segsr_arch.cli.segsr import main
from segsr_arch.evaluation.trained_network import load_trained
from segsr_arch.export import program as program_module
from tests.cli.runs import run_here
from tests.evaluation.test_trained_network import write_test_options
from tests.support import TINY_HAT, TINY_SEMANTICS


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


def test_basicsr_test_and_segsr_evaluate_take_it(here, capsys, monkeypatch):
    options = write_test_options(here)
    assert main(["export", "-opt", str(options), "--precision", "bf16"]) == 0
    assert re.search(r"bf16 against the trained network on 5 images: PSNR [4-9]\d\.\d dB", capsys.readouterr().out)
    assert main(["evaluate", "-opt", "exported/tiny_bf16.yml", "--no-images"]) == 0
    assert "tiny_bf16" in capsys.readouterr().out
    assert run_here(["test", "-opt", "exported/tiny_bf16.yml"], monkeypatch, here) == 0
    assert list((here / "results/tiny_bf16").rglob("test_tiny_bf16_*.log"))


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


HAT_OPTIONS = {**TINY_HAT, "type": "SeGSR", "depths": [2], "num_heads": [2], "upscale": 2, "semantics": TINY_SEMANTICS}
OTHER_SIZES = [(1, 3, 7, 7), (3, 3, 20, 28), (1, 3, 41, 8)]


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_a_program_gives_what_the_network_gives_at_sizes_it_was_not_made_with(here, capsys, kind):
    options = write_test_options(here, network=HAT_OPTIONS)
    assert main(["export", "-opt", str(options), "--format", kind]) == 0
    shown = capsys.readouterr().out
    found = re.search(rf"{kind} against the trained network at 3 sizes: largest difference (\S+) of 1", shown)
    assert float(found[1]) <= 1e-4
    path = here / "exported" / ("tiny.onnx" if kind == "onnx" else "tiny.pt2")
    assert f"exported/{path.name} (" in shown and [file.name for file in path.parent.iterdir()] == [path.name]
    trained = load_trained(options)
    if kind == "onnx":
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        described = session.get_modelmeta().custom_metadata_map
        outputs = [session.run(["sr"], {"lq": image(size).numpy()})[0] for size in OTHER_SIZES]
    else:
        extra = {"segsr.json": ""}
        program = torch.export.load(path, extra_files=extra).module()
        described = json.loads(extra["segsr.json"])
        outputs = [program(image(size)).numpy(force=True) for size in OTHER_SIZES]
    assert described["scale"] == "2" and described["network"] == "SeGSR" and described["vision_language_model"]
    with torch.no_grad():
        for size, output in zip(OTHER_SIZES, outputs, strict=True):
            torch.testing.assert_close(torch.from_numpy(output), trained.network(image(size)), atol=1e-4, rtol=0)


def image(size):
    return torch.rand(size, generator=torch.Generator().manual_seed(sum(size)))


def test_a_program_that_differs_is_refused(here, capsys, monkeypatch):
    options = write_test_options(here)
    monkeypatch.setattr(program_module, "TOLERANCE", 0.0)
    monkeypatch.setattr(program_module, "_largest_difference", lambda network, run: 0.5)
    assert main(["export", "-opt", str(options), "--format", "torch"]) == 2
    assert "the program differs from SeGSR by 0.5, more than 0" in capsys.readouterr().err
    assert not (here / "exported").exists()


def test_a_network_whose_code_depends_on_the_size_is_refused_with_the_reason(here, capsys):
    network = {"type": "SwinIR", "upscale": 2, "embed_dim": 8, "depths": [1], "num_heads": [2], "window_size": 4}
    options = write_test_options(here, network={**network, "img_size": 16, "upsampler": "pixelshuffle"})
    assert main(["export", "-opt", str(options), "--format", "torch"]) == 2
    message = capsys.readouterr().err
    assert "SwinIR cannot become a program of --format torch for images of any size" in message
    assert "--format checkpoint" in message and not (here / "exported").exists()


def test_what_onnx_cannot_hold_is_refused_with_the_reason(here, capsys, monkeypatch):
    def fail(*_args, **_options):
        raise RuntimeError("no such operator\nand more")

    monkeypatch.setattr(torch.onnx, "export", fail)
    assert main(["export", "-opt", str(write_test_options(here)), "--format", "onnx"]) == 2
    message = capsys.readouterr().err
    assert "--format onnx for images of any size: RuntimeError: no such operator Where" in message
    assert not (here / "exported").exists()


def test_what_is_exported_becomes_no_program(here, capsys):
    assert main(["export", "-opt", str(write_test_options(here))]) == 0
    assert main(["export", "-opt", "exported/tiny_bf16.yml", "--format", "torch", "--out", "again"]) == 2
    assert "in the form for inference already; export the trained one" in capsys.readouterr().err
    assert not (here / "again").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--format", "onnx", "--precision", "bf16"), "--precision bf16: a program of --format onnx is in fp32"),
        (("--format", "torch", "--device", "cuda"), "--device cuda: a program of --format torch is made on the cpu"),
    ],
)
def test_programs_are_in_float32_and_made_on_the_cpu(here, capsys, arguments, words):
    assert main(["export", "-opt", "missing.yml", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_missing_packages_for_onnx_are_named_at_once(here, capsys, monkeypatch):
    monkeypatch.setattr(
        program_module.importlib.util, "find_spec", lambda name: None if name == "onnxscript" else object()
    )
    assert main(["export", "-opt", "missing.yml", "--format", "onnx"]) == 2
    assert (
        "--format onnx needs onnxscript, not installed here: pip install 'segsr-arch[export]'"
        in capsys.readouterr().err
    )
