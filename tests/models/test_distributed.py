"""SeGSRModel under torchrun on the CPU: no unused parameters, validation shared and exact."""

import re
import sys

import numpy as np
import pytest
import torch
import yaml

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.archs.semantic_sr_arch import SemanticSR
from segsr_arch.results.reading import read_record
from tests.cli.runs import losses, run_here
from tests.cli.runs import network as saved_network
from tests.models.tiny import tiny_options
from tests.support import TINY_MSSD, TINY_SEMANTICS, run_command


def write_options(root, *, is_train, model_type="SeGSRModel", **train):
    options = tiny_options(root, is_train=is_train, model_type=model_type, train=train)
    for key in ("is_train", "dist", "rank", "world_size"):
        del options[key]
    options["path"] = {"pretrain_network_g": None}
    if is_train:
        options["train"]["total_iter"] = 3
        options["datasets"]["train"]["batch_size_per_gpu"] = 2
        options["val"] |= {"val_freq": 2}
    else:
        options |= {"train": None, "name": "shared"}
        options["path"] = {
            "pretrain_network_g": "experiments/tiny/models/net_g_latest.pth",
            "param_key_g": "params_ema",
        }
        options["val"]["save_img"] = True
        del options["datasets"]["val"], options["train"], options["logger"]
    for dataset in options["datasets"].values():
        del dataset["phase"], dataset["scale"]
    path = root / ("train.yml" if is_train else "test.yml")
    path.write_text(yaml.safe_dump(options, sort_keys=False))
    return path.name


def run(root, processes, command, name, *extra):
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)] if processes else []
    launcher = ["--launcher", "pytorch"] if processes else []
    arguments = [sys.executable, *launch, "-m", "segsr_arch.cli.basicsr", command, "-opt", name, *launcher, *extra]
    done = run_command(arguments, cwd=root, seconds=240)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


def test_two_ranks_train_without_unused_parameters_and_validate_as_one(tmp_path):
    log = run(tmp_path, 2, "train", write_options(tmp_path, is_train=True, accumulate=2))
    assert log.count("Validation made_val") >= 1
    content = torch.load(tmp_path / "experiments/tiny/models/net_g_latest.pth", weights_only=True)
    assert set(content) == {"params", "params_ema"}
    name = write_options(tmp_path, is_train=False)
    results = []
    for processes in (0, 2):
        log = run(tmp_path, processes, "test", name, "--force_yml", f"name=shared{processes}")
        results.append(re.findall(r"# psnr: ([\d.]+)", log))
        images = sorted(path.name for path in (tmp_path / f"results/shared{processes}/visualization/made").iterdir())
        assert images == [f"im{index}_shared{processes}.png" for index in range(5)]
    assert len(results[0]) == 1 and results[0] == results[1]
    alone, shared = (read_record(tmp_path / f"results/shared{processes}/evaluation/made") for processes in (0, 2))
    assert [row.name for row in shared.images] == [f"im{index}" for index in range(5)]
    assert [row.values for row in shared.images] == [row.values for row in alone.images]
    assert shared.summary == alone.summary and shared.provenance["data_digest"] == alone.provenance["data_digest"]
    trained = read_record(tmp_path / "experiments/tiny/validation/made_val/00000003")
    assert trained.iteration == 3 and len(trained.values("psnr_y-crop")) == 5


def test_stock_model_without_average_validates_on_one_rank_while_the_others_wait(tmp_path):
    name = write_options(tmp_path, is_train=True, model_type="SRModel", ema_decay=0)
    log = run(tmp_path, 2, "train", name)
    assert len(re.findall(r"# psnr: ([\d.]+)", log)) == 2  # at iteration 2 and at the end


def prepare(root, processes, network=None):
    """Write the options of three iterations on four images each, however many processes share them; returns their name.

    BasicSR's sampler deals one and the same sequence out to the processes, so a step sees the same images.
    """
    root.mkdir()
    name = write_options(root, is_train=True, grad_clip=0.5, optim_g={"type": "SGD", "lr": 0.05})
    options = yaml.safe_load((root / name).read_text())
    options["network_g"] = network or options["network_g"]
    options["network_g"]["semantics"]["lora_dropout"] = 0.0
    options["datasets"]["train"] |= {"batch_size_per_gpu": 4 // max(processes, 1), "dataset_enlarge_ratio": 3}
    for folder in ("HR", "LR"):
        (root / f"data/{folder}/im4.png").unlink()
        single = root / f"single/{folder}/im0.png"
        single.parent.mkdir(parents=True)
        single.write_bytes((root / f"data/{folder}/im0.png").read_bytes())
    roots = {"dataroot_gt": str(root / "single/HR"), "dataroot_lq": str(root / "single/LR")}
    options["datasets"]["val"] |= roots
    (root / name).write_text(yaml.safe_dump(options, sort_keys=False))
    return name


def test_one_image_for_two_ranks_and_the_loss_of_one_process(tmp_path):
    """Two ranks with two images each take the same steps as one process with the four of them."""
    logged, metrics = [], []
    for processes in (0, 2):
        root = tmp_path / str(processes)
        log = run(root, processes, "train", prepare(root, processes))
        logged.append([float(value) for value in re.findall(r"l_pix: (\S+)", log)])
        metrics.append(re.findall(r"# psnr: ([\d.]+)", log))
    assert len(logged[0]) == 3 and logged[0][0] != logged[0][2]
    assert logged[1] == pytest.approx(logged[0], rel=2e-3)
    assert metrics[0] == metrics[1] and len(metrics[0]) == 2


PARTS = ("base", "lora_A", "lora_B", "localization", "modulation", "projection", "map_scale", "map_upsampling")


def shaken(options):
    """Weights of a network whose guide already has a say."""
    torch.manual_seed(0)
    network = SemanticSR(**{key: value for key, value in options.items() if key != "type"})
    with torch.no_grad():
        for parameter in network.guide.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return network.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize(
    "semantics",
    [
        {"attention_residual": True, "learned_map_scale": True, "map_upsampling": "learned"},
        {"modules": "sfem"},
        {"preset": "improved", "tokens": "whitened", "earlier_tokens": 1, "map_floor": 1e-4},
    ],
    ids=["full", "sfem", "improved"],
)
def test_two_ranks_guide_another_network_as_one_process_does(tmp_path, monkeypatch, semantics):
    """The same for EDSR, and for a guide without localization: no parameter is left without a gradient."""
    network = {
        "type": "SemanticSR",
        "base": {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 4, "upscale": 2},
        "units": 2,
        "semantics": {**TINY_SEMANTICS, **semantics},
    }
    start = shaken(network)
    torch.save({"params": start, "params_ema": start}, tmp_path / "start.pth")
    for processes in (0, 2):
        root = tmp_path / str(processes)
        name = prepare(root, processes, network)
        options = yaml.safe_load((root / name).read_text())
        options["path"]["pretrain_network_g"] = str(tmp_path / "start.pth")
        options["train"]["optim_g"]["lr"] = 0.5
        (root / name).write_text(yaml.safe_dump(options, sort_keys=False))
        if processes:
            run(root, processes, "train", name)
        else:
            assert run_here(["train", "-opt", name], monkeypatch, root) == 0
    one, two = (losses(tmp_path / folder) for folder in "02")
    assert len(one) == 3 and one[1] != one[3]
    assert two == pytest.approx(one, rel=1e-4)
    alone, shared = (saved_network(tmp_path / folder, "latest") for folder in "02")
    for name in [name for name in alone if ".tokens." in name[1]]:  # a small difference of tokens is a large one here
        np.testing.assert_allclose(shared.pop(name), alone.pop(name), atol=0.01, rtol=0.01, err_msg=name)
    assert alone.keys() == shared.keys()
    for part in PARTS:
        names = [name for name in start if f".{part}." in f".{name}." and ("params", name) in alone]
        moved = [np.abs(alone["params", name] - start[name].numpy()).max() for name in names]
        noise = [np.abs(alone["params", name] - shared["params", name]).max() for name in names]
        assert not moved or max(moved) > 20 * max(noise), part


def test_two_ranks_train_a_student_of_guidance_without_being_told_of_unused_parameters(tmp_path):
    network = {**TINY_MSSD, "scale": 2, "pixel_attention": True}
    torch.save({"params": MSSD(**network).state_dict()}, tmp_path / "teacher.pth")
    own = {"teacher": "teacher.pth", "caption_dropout": 0.0, "pixel_opt": None}
    path = tmp_path / write_options(tmp_path, is_train=True, model_type="DistillationModel", **own)
    options = yaml.safe_load(path.read_text())
    options["network_g"] = {"type": "MSSD", **network, "one_pass_guidance": "head"}
    for dataset in options["datasets"].values():
        del dataset["dataroot_lq"]
        dataset |= {"type": "BlindPairedDataset", "degradation": "iso", "say_degradation": True}
    assert "find_unused_parameters" not in options
    path.write_text(yaml.safe_dump(options, sort_keys=False))
    run(tmp_path, 2, "train", path.name)
    trained = torch.load(tmp_path / "experiments/tiny/models/net_g_latest.pth", weights_only=True)["params"]
    told = [value for name, value in trained.items() if "one_pass" in name]
    assert told and any(value.any() for value in told)
