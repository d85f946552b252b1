import json
import re

import pytest
import torch
import yaml
from safetensors.torch import load_file

from segsr_arch.cli.segsr import main
from segsr_arch.evaluation.saved_evaluations import find_validations
from segsr_arch.evaluation.trained_network import load_trained
from segsr_arch.export.training_record import training_record
from segsr_arch.named_models.folders import find_model
from tests.evaluation.figures.records import write_evaluation
from tests.evaluation.test_trained_network import write_test_options

EDSR = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "upscale": 2}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SEGSR_MODELS", raising=False)
    return tmp_path


@pytest.fixture
def plain(here):
    """Option file of a test of a plain network with weights."""
    from basicsr.archs import build_network

    options = write_test_options(here)
    content = yaml.safe_load(options.read_text())
    torch.manual_seed(0)
    torch.save({"params": build_network(dict(EDSR)).state_dict()}, here / "models/plain.pth")
    content |= {"name": "plain", "network_g": EDSR}
    content["path"] = {"pretrain_network_g": str(here / "models/plain.pth")}
    options.write_text(yaml.safe_dump(content))
    return options


def export(options, *arguments):
    return main(["export", "-opt", str(options), "--format", "named", *arguments])


def test_a_network_of_ones_own_code_keeps_the_place_of_that_code(plain, here):
    (here / "named_net.py").write_text(
        "from basicsr.archs.edsr_arch import EDSR\nfrom basicsr.utils.registry import ARCH_REGISTRY\n\n\n"
        "@ARCH_REGISTRY.register()\nclass NamedNet(EDSR):\n    pass\n"
    )
    content = yaml.safe_load(plain.read_text()) | {
        "imports": ["named_net.py"],
        "network_g": {**EDSR, "type": "NamedNet"},
    }
    plain.write_text(yaml.safe_dump(content))
    assert export(plain, "--name", "mine-x2") == 0
    assert yaml.safe_load(find_model("mine-x2").options.read_text())["imports"] == [str(here / "named_net.py")]
    assert load_trained(find_model("mine-x2").options, device="cpu", reads_data=False) is not None


def test_a_plain_network_gets_a_name_and_may_be_trained_further(plain, here, capsys):
    (here / "card.yml").write_text("title: A small network\nlimits: made up\n")
    assert export(plain, "--name", "small-x2", "--card", "card.yml") == 0
    shown = capsys.readouterr().out
    assert "float16 against the trained network on 5 images: PSNR" in shown
    assert "does not state use, licence, data_licence" in shown
    model = find_model("small-x2")
    assert model.weights == here / "config/segsr/models/small-x2.safetensors"
    assert (model.card.title, model.card.limits) == ("A small network", "made up")
    stored = load_file(model.weights)
    assert {value.dtype for value in stored.values()} == {torch.float16}
    trained = torch.load(here / "models/plain.pth")["params"]
    assert stored.keys() == trained.keys()
    content = yaml.safe_load(plain.read_text())
    content["path"]["pretrain_network_g"] = "segsr://small-x2"
    (here / "again.yml").write_text(yaml.safe_dump(content))
    again = load_trained(here / "again.yml").network.state_dict()
    assert all(torch.equal(again[name], value.half().float()) for name, value in trained.items())


def test_a_guided_network_gets_its_form_for_inference(here, capsys):
    options = write_test_options(here)
    before = load_trained(options)
    assert export(options, "--name", "guided-x2") == 0
    after = load_trained(find_model("guided-x2").options, reads_data=False)
    lq = next(before.datasets())[1][0]["lq"].unsqueeze(0)
    with torch.no_grad():
        torch.testing.assert_close(after.network(lq), before.network(lq), atol=2e-3, rtol=0)
    assert yaml.safe_load(find_model("guided-x2").options.read_text())["network_g"]["type"] == "InferenceForm"


def test_networks_with_names_are_listed_upscale_and_are_evaluated(plain, here, capsys):
    export(plain, "--name", "small-x2")
    capsys.readouterr()
    assert main(["models"]) == 0
    rows = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert ["small-x2", "x2"] in rows
    assert main(["models", "segsr://small-x2"]) == 0
    assert "Licence of the weights: not stated" in capsys.readouterr().out
    assert main(["evaluate", "--model", "small-x2", "--gt", "data/HR", "--no-cost"]) == 0
    record = json.loads((here / "results/small-x2/evaluation/HR/evaluation.json").read_text())
    assert record["scale"] == 2 and record["summary"]["psnr_y-crop"]["n"] == 5
    image = next((here / "data/LR").iterdir())
    assert main(["upscale", str(image), "out.png", "--model", "small-x2"]) == 0
    assert (here / "out.png").exists()
    capsys.readouterr()
    assert main(["upscale", str(image), "out3.png", "--model", "small-x3"]) != 0
    assert "small-x3: is neither a file nor a name; did you mean small-x2?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "a/b"], "--name a/b: .*slashes"),
        (["--precision", "bf16"], "--precision bf16: a network with a name is stored in float16"),
    ],
)
def test_wrong_arguments_are_refused(plain, arguments, message, capsys):
    assert export(plain, *arguments) != 0
    assert re.search(message, capsys.readouterr().err)


def test_weights_beyond_float16_are_refused(plain, here, capsys):
    state = torch.load(here / "models/plain.pth")["params"]
    state["conv_first.weight"][0] = 1e6
    torch.save({"params": state}, here / "models/plain.pth")
    assert export(plain) != 0
    assert "conv_first.weight has a weight of 1e+06, which float16 cannot hold" in capsys.readouterr().err
    assert not list((here / "config").rglob("*.safetensors"))


def test_the_card_says_what_the_training_left(tmp_path):
    run = tmp_path / "experiments/run"
    (run / "models").mkdir(parents=True)
    train = {
        "datasets": {
            "train": {"name": "Farms", "type": "PairedImageDataset", "gt_size": 64, "batch_size_per_gpu": 8},
        },
        "train": {"total_iter": 200, "optim_g": {"type": "Adam", "lr": 0.001}, "pixel_opt": {"type": "L1Loss"}},
        "manual_seed": 3,
    }
    (run / "train.yml").write_text(yaml.safe_dump(train))
    sittings = (("11:59:00", "12:10:00"), ("23:59:40", "23:59:59"), ("10:00:00", "10:01:15"))  # one of them was cut
    for number, (first, last) in enumerate(sittings):
        lines = [f"2026-11-2{number} {stamp},012 INFO: iteration" for stamp in (first, last)]
        (run / f"train_run_{number}.log").write_text("  head\n" + "\n  # psnr: 30\n".join(lines) + "\n")
    for iteration, sigma in ((50, 3.0), (100, 1.0), (200, 0.5)):
        write_evaluation(tmp_path / "experiments", "run", sigma, iteration=iteration)
    record = training_record(run / "models/net_g_100.pth")
    mean = find_validations(run)[1].summary["psnr_y-crop"].mean
    assert record["figures"] == {"Set, psnr_y-crop": f"{mean:.2f} dB (3 images, iteration 100)"}
    assert record["trained_on"] == "Farms, PairedImageDataset"
    assert record["training"] == (
        "100 of 200 iterations, 8 patches of 64 HR pixels, Adam, learning rate 0.001, pixel_opt L1Loss, seed 3, "
        "0:12:34 hours"
    )
    assert "degradation" not in record
    train["datasets"]["train"]["degradation"] = "aniso"
    (run / "train.yml").write_text(yaml.safe_dump(train))
    assert training_record(run / "models/net_g_100.pth")["degradation"] == "aniso"
    assert training_record(tmp_path / "elsewhere/models/net.pth") == {}
    assert training_record(run / "own/net_g_100.pth") == {}
