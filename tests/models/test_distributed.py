"""SeGSRModel under torchrun on the CPU: no unused parameters, validation shared and exact."""

import re
import subprocess
import sys

import torch
import yaml

from tests.models.tiny import tiny_options


def write_options(root, *, is_train):
    options = tiny_options(root, is_train=is_train)
    for key in ("is_train", "dist", "rank", "world_size"):
        del options[key]
    options["path"] = {"pretrain_network_g": None}
    if is_train:
        options["train"]["total_iter"] = 3
        options["train"]["accumulate"] = 2
        options["datasets"]["train"]["batch_size_per_gpu"] = 2
        options["val"] |= {"val_freq": 3}
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
    done = subprocess.run(arguments, cwd=root, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


def test_two_ranks_train_without_unused_parameters_and_validate_as_one(tmp_path):
    log = run(tmp_path, 2, "train", write_options(tmp_path, is_train=True))
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
