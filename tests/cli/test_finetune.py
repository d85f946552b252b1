"""``segsr finetune``: what it refuses at once, what it writes, and how it goes on."""

import json
import os

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from segsr_arch.cli.segsr import main
from segsr_arch.evaluation.trained_network import load_trained
from segsr_arch.finetuning import carrying_out
from segsr_arch.finetuning.run_options import TuneSettings, train_options
from segsr_arch.finetuning.run_options import test_options as options_of_tests
from segsr_arch.finetuning.start import start_of_model
from segsr_arch.named_models.folders import find_model, own_folder
from segsr_arch.training.precision import fast_precision
from segsr_arch.weights.digests import file_digest
from segsr_arch.zoo.named_networks import build_base
from tests.named_models.models import forget_models
from tests.scenes.rasters import write_raster
from tests.support import make_image, write_image

NETWORK = {"type": "MSRResNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "upscale": 2}
LABELS = ("bicubic", "tiny", "farms-x2")
SMALL = ["--tile", "32", "--patch", "8", "--batch", "2"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a raster, small images, and a network that is called ``tiny``."""
    forget_models(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "farms").mkdir()
    write_raster(tmp_path / "farms/scene.tif", make_image(0, 160, 160).transpose(2, 0, 1))
    for number in range(6):
        write_image(tmp_path / f"farms/small/{number}.png", make_image(number, 40, 40))
    name_network("tiny")
    return tmp_path


def name_network(name, *, network=NETWORK, **changed):
    torch.manual_seed(0)
    own_folder().mkdir(parents=True, exist_ok=True)
    weights = own_folder() / f"{name}.safetensors"
    state = build_base(NETWORK).state_dict()
    state["conv_last.bias"] += 0.1  # too bright, which is soon learned
    save_file(state, weights)
    content = {"name": name, "model_type": "SeGSRModel", "scale": 2, "num_gpu": 0, "datasets": {}, "network_g": network}
    content |= {"path": {"pretrain_network_g": f"segsr://{name}", "param_key_g": None, "strict_load_g": True}}
    content |= {"val": {"save_img": True, "suffix": None}, "card": {"sha256": file_digest(weights)}}
    (own_folder() / f"{name}.yml").write_text(yaml.safe_dump(content | changed))


def finetune(*arguments):
    return main(["finetune", "farms", *SMALL, *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "There is no network aerial_x4. Give one that segsr models lists"),
        (["--scale", "2"], "There is no network aerial_x2"),
        (["--scale", "2", "--model", "tiny"], "--scale: chooses among the networks that need not be named"),
        (["--model", "tinny"], "There is no model tinny; did you mean tiny?"),
        (["--model", "tiny", "-opt", "a.yml"], "Give either a network by its name"),
        (["-opt", "plain.yml"], "path: pretrain_network_g: names no weights to start with"),
        (["-opt", "gone.yml"], "gone.pth does not exist"),
        (["--model", "inference"], "is in the form for inference, which cannot be trained"),
        (["--model", "sampler"], "networks of model_type DiffusionModel are trained in ways of their own"),
        (["--model", "many"], "its network takes 4 bands (num_in_ch), and images are prepared as RGB"),
        (["--model", "tiny", "--name", "tiny"], "--name tiny: is what it is compared with"),
        (["--model", "tiny", "--name", "many"], "--name many: there is a network of this name"),
        (["--model", "tiny", "--name", "a/b"], "--name a/b:"),
        (["--model", "tiny", "--out", "farms/run"], "lies in farms, and its images would be taken, too"),
        (["--model", "tiny", "--out", "full"], "holds other things (notes.txt); choose another folder"),
        (
            ["--model", "tiny", "--patch", "20"],
            "--tile 32: a tile holds a patch of 20 LR pixels at least, 40 at scale 2",
        ),
        (["--model", "tiny", "--val", "1"], "--val 1: is the share for validation"),
        (["--model", "tiny", "--minutes", "0"], "--minutes 0: must be above 0"),
        (["--model", "tiny", "--lr", "0"], "--lr 0: must be above 0"),
        (["--model", "tiny", "--degradation", "isso"], "is neither a file (.yml) nor a chain; did you mean iso?"),
        (["--model", "odd"], "odd: degradation of its card:"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(here, capsys, arguments, message):
    name_network("inference", network={"type": "InferenceForm", "precision": "fp32", "network": NETWORK})
    name_network("sampler", model_type="DiffusionModel")
    name_network("many", network={**NETWORK, "num_in_ch": 4})
    name_network("odd", card={"degradation": [{"type": "fog"}]})
    for name, weights in (("plain", None), ("gone", "gone.pth")):
        content = {"name": name, "scale": 2, "network_g": NETWORK, "path": {"pretrain_network_g": weights}}
        (here / f"{name}.yml").write_text(yaml.safe_dump(content))
    (here / "full").mkdir()
    (here / "full/notes.txt").write_text("mine")
    assert finetune(*arguments) == 2
    assert message in capsys.readouterr().err
    assert not (here / "finetuned").exists() or not list((here / "finetuned").rglob("finetune.json"))


def settings(**changed):
    given = {"name": "run", "dataset": "farms", "patch": 8, "batch": 2, "learning_rate": 1e-4, "seed": 3}
    return TuneSettings(**{**given, "amp": None, "num_gpu": 0, "degradation": None, **changed})


def test_the_option_files_say_what_was_asked_for(here):
    start = start_of_model("tiny")
    opt = train_options(start, settings(amp="bf16"), iterations=800)
    assert opt["path"]["pretrain_network_g"] == "segsr://tiny" and opt["network_g"] == NETWORK
    assert opt["train"]["scheduler"] == {"type": "CosineAnnealingRestartLR", "periods": [800], "eta_min": 1e-7}
    assert (opt["train"]["amp"], opt["train"]["ema_warmup"], opt["val"]["val_freq"]) == ("bf16", True, 100)
    assert opt["datasets"]["train"]["dataroot_lq"] == "data/train/LR_x2.lmdb" and opt["manual_seed"] == 3
    degraded = train_options(start, settings(degradation="iso"), iterations=800)["datasets"]
    assert (degraded["train"]["type"], degraded["train"]["degradation"]) == ("BlindPairedDataset", "iso")
    assert "dataroot_lq" not in degraded["train"] and degraded["val"]["type"] == "PairedImageDataset"
    tests = options_of_tests(start, settings())
    assert [tests[kind]["name"] for kind in ("bicubic", "before", "after")] == ["bicubic", "tiny", "run"]
    assert tests["after"]["path"]["pretrain_network_g"] == "experiments/run/models/net_g_latest.pth"


def test_bf16_is_taken_where_the_processor_has_it(monkeypatch):
    for has, expected in ((True, "bf16"), (False, None)):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has=has: has, raising=False)
        assert fast_precision(torch.device("cpu")) == expected


@pytest.fixture
def interrupted(monkeypatch):
    """Let steps be recorded and not carried out; the first training is interrupted."""
    steps = []

    def step(folder, title, module, *arguments, threads=None):
        steps.append(title.split()[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(carrying_out, "run_step", step)
    return steps


def test_an_interrupted_run_goes_on_by_the_same_command_and_by_no_other(here, capsys, interrupted):
    asked = ["--model", "tiny", "--name", "farms-x2", "--iterations", 4]
    for _ in range(2):
        assert finetune(*asked) == 130
    said = capsys.readouterr()
    assert interrupted == ["Train", "Train"]
    assert "What was done is kept; run the same command to go on." in said.err
    assert said.out.count("split by place: whole blocks of rasters") == 2 and said.err.count("cut:") == 1
    folder = here / "finetuned/farms-x2"
    assert not (folder / "tiles").exists() and (folder / "data/train/LR_x2.lmdb/data.mdb").is_file()
    places = json.loads((folder / "places.json").read_text())
    assert set(places["train"]).isdisjoint(places["val"]) and len(places["train"]) >= 8
    assert finetune(*asked[:-1], 5) == 2
    assert "holds another run (length: '4 iterations' then, '5 iterations' now)" in capsys.readouterr().err
    assert finetune(*asked, "--degradation", "iso") == 2
    assert "degradation: None then" in capsys.readouterr().err


def test_minutes_become_iterations_by_steps_that_are_timed(here, monkeypatch, capsys, interrupted):
    monkeypatch.setattr(carrying_out, "step_and_image_seconds", lambda *_, **__: (0.1, 0.0))
    assert finetune("--model", "tiny", "--minutes", 1) == 130
    assert "A step takes 0.10 s, a validation image 0.00 s: 480 iterations in 0:01:00" in capsys.readouterr().out
    opt = yaml.safe_load((here / "finetuned/tiny-farms/options/train.yml").read_text())
    assert opt["train"]["total_iter"] == 480


@pytest.mark.slow
def test_a_network_is_trained_compared_and_named(here, capsys):
    (here / "card.yml").write_text("licence: CC0\nlimits: farms alone\n")
    asked = ["--model", "tiny", "--name", "farms-x2", "--iterations", 40, "--lr", 0.01, "--card", "card.yml"]
    asked += ["--bands", 1, 2, 3]
    assert finetune(*asked) == 0
    said = capsys.readouterr().out
    assert "segsr upscale SRC DST --model farms-x2 --bands 1 2 3\nCard:     segsr models farms-x2\n" in said
    psnr = {
        label: float(line.split()[1])
        for line in said.splitlines()
        for label in LABELS
        if line.startswith(f"  {label} ")
    }
    assert psnr["farms-x2"] > psnr["tiny"] + 1 and "nothing was selected on these tiles" in said
    results = here / "finetuned/farms-x2/results"
    assert (results / "report.html").is_file() and list((results / "figures").glob("compare_*.png"))
    model = find_model("farms-x2")
    (figure,) = model.card.figures.values()
    assert figure.startswith(f"{psnr['farms-x2']:.2f} dB (before {psnr['tiny']:.2f} dB")
    assert (model.card.licence, model.card.degradation) == ("CC0", "bicubic")
    assert model.card.use == "images like those of farms, with --bands 1 2 3"
    assert "40 of 40 iterations" in model.card.training and "started with tiny" in model.card.training
    lq = torch.rand(1, 3, 12, 12)
    tuned, before = (
        load_trained(find_model(name).options, device="cpu", reads_data=False)(lq) for name in ("farms-x2", "tiny")
    )
    assert tuned.shape == (1, 3, 24, 24) and not np.allclose(tuned, before)
    assert finetune(*asked) == 0  # nothing is done again
    again = capsys.readouterr().out
    assert "== " not in again and "farms-x2 is +" in again
    (here / "card.yml").write_text("licence: CC-BY-4.0\n")
    assert finetune(*asked) == 0 and find_model("farms-x2").card.licence == "CC-BY-4.0"
    assert capsys.readouterr().out.count("== ") == 1


def test_a_run_that_was_refused_does_not_stand_in_the_way_of_its_remedy(here, capsys):
    (here / "farms/broken.tif").write_text("no raster")
    asked = ["--model", "tiny", "--name", "farms-x2", "--iterations", 1]
    assert finetune(*asked) == 2
    assert "leave them out with --skip-unfit" in capsys.readouterr().err
    (here / "farms/scene.tif").unlink()
    for share in (0.9999, 0.9998):  # the first refusal comes after tiles were cut
        assert finetune(*asked, "--skip-unfit", "--val", share) == 2
        said = capsys.readouterr().err
        assert "are too few" in said and "holds another run" not in said
    assert {path.name for path in (here / "finetuned/farms-x2").iterdir()} <= {"finetune.json", ".lock"}


def test_a_range_for_files_of_8_bits_alone_is_said_to_do_nothing(here, capsys, interrupted):
    assert finetune("--model", "tiny", "--iterations", 4, "--range", 0, 3000) == 130
    assert "--range has no effect: all files are of 8 bits" in capsys.readouterr().out


def test_models_named_by_a_relative_path_are_found_in_the_folder_of_the_run_as_well(here, monkeypatch, interrupted):
    monkeypatch.setenv("SEGSR_MODELS", os.pathsep.join(("theirs", str(here / "more"))))
    own_folder().rename(here / "theirs")
    assert finetune("--model", "tiny", "--iterations", 4) == 130
    assert os.environ["SEGSR_MODELS"] == os.pathsep.join((str(here / "theirs"), str(here / "more")))


def test_code_of_ones_own_is_imported_before_anything_is_cut_and_named_in_the_options(here, capsys, interrupted):
    (here / "tuned_net.py").write_text(
        "from basicsr.archs.edsr_arch import EDSR\nfrom basicsr.utils.registry import ARCH_REGISTRY\n\n\n"
        "@ARCH_REGISTRY.register()\nclass TunedNet(EDSR):\n    pass\n"
    )
    weights = find_model("tiny").weights
    content = {"name": "mine", "model_type": "SeGSRModel", "scale": 2, "network_g": {**NETWORK, "type": "TunedNet"}}
    content |= {"path": {"pretrain_network_g": str(weights)}, "imports": ["tuned_net.py"]}
    (here / "mine.yml").write_text(yaml.safe_dump(content))
    assert main(["finetune", "farms", *SMALL, "-opt", "mine.yml", "--iterations", "4"]) == 130
    opt = yaml.safe_load((here / "finetuned/mine-farms/options/train.yml").read_text())
    assert opt["imports"] == [str(here / "tuned_net.py")]
    (here / "mine.yml").write_text(yaml.safe_dump(content | {"imports": ["gone.py"]}))
    assert main(["finetune", "farms", *SMALL, "-opt", "mine.yml", "--out", "other"]) == 2
    assert "gone.py: there is no such file" in capsys.readouterr().err and not (here / "other").exists()
