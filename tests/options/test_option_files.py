"""Every option file is run as a user would run it: the real folders, but few small images and a tiny VLM."""

import json
import re
from pathlib import Path

import pytest
import torch

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.archs.pixel_diffusion_arch import PixelDiffusion
from segsr_arch.cli import basicsr, segsr
from segsr_arch.config import check_options, read_options
from tests.support import TINY_DIFFUSION, TINY_DIFFUSION_XL, TINY_PIXEL_DIFFUSION, TINY_VLM, make_image, write_image

OPTIONS = Path(__file__).parents[2] / "options"
ZOO = [f"zoo/{command}_{key}.yml" for key in ("HAUNet_UCM_x4", "SPT_AID_x2") for command in ("train", "test")]
FILES = [*sorted(path.name for path in OPTIONS.glob("*.yml")), *ZOO]  # of the written folders, two of their networks
TRAINED = [name for name in FILES if "train_" in name]
DISTILLED = [name for name in FILES if "distill_" in name]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A working folder with miniatures of every data set, made by the command that users take."""
    root = tmp_path_factory.mktemp("work")
    for name, splits in (("ucmerced", ((1, 2, 4, 6, 7, 8, 9), (0,))), ("aid", (range(1, 21), ()))):
        for part in splits:
            for number in part:
                if name == "ucmerced":
                    path = root / "ucm/Images/agricultural" / f"agricultural{number:02d}.tif"
                else:
                    path = root / "aid/Airport" / f"airport_{number}.jpg"
                write_image(path, make_image(number, 64, 64))
    for number in range(20):
        write_image(root / "scenes/roads" / f"roads{number:02d}.png", make_image(number, 64, 64))
    commands = (
        ("ucmerced", "ucm", "datasets/UCMerced", "2", "3", "4"),
        ("aid", "aid", "datasets/AID", "2", "4"),
        ("folder", "scenes", "data", "4"),
        ("dota", "scenes", "datasets/DOTA", "4", "--tile", "64"),
        ("nwpu_resisc45", "scenes", "datasets/NWPU", "4", "--val", "2"),
    )
    for kind, source, destination, *rest in commands:
        arguments = ["prepare", kind, str(root / source), str(root / destination), "--scale", *rest]
        assert segsr.main([*arguments, "--patch", "16", "--jobs", "1"]) == 0
    for listed in (root / "datasets").glob("*/*/HR_x4.lmdb/meta_info.txt"):
        names = [line.partition(".png ")[0] for line in listed.read_text().splitlines()]
        lines = [json.dumps({"image": name, "caption": "from blurred to sharp"}) for name in names]
        with (listed.parents[2] / "captions.jsonl").open("a") as captions:  # as segsr caption
            captions.writelines(f"{line}\n" for line in lines)
    for kind, source, name in (("ucmerced", "ucm", "UCMerced"), ("aid", "aid", "AID")):  # images that x8 suits
        arguments = ["prepare", kind, str(root / source), str(root / "datasets8" / name), "--scale", "8"]
        assert segsr.main([*arguments, "--patch", "8", "--jobs", "1"]) == 0
    for number in range(2):
        write_image(root / "few/roads" / f"roads{number:02d}.png", make_image(number, 64, 64))
    for kind, name in (("rsc11", "RSC11"), ("rsscn7", "RSSCN7"), ("whu_rs19", "WHU")):
        arguments = ["prepare", kind, str(root / "few"), str(root / "datasets8" / name), "--scale", "8"]
        assert segsr.main([*arguments, "--jobs", "1"]) == 0
    (root / "tiny_vlm.json").write_text(json.dumps(TINY_VLM))
    return root


def overrides(name):
    """Settings that make a run small and leave the file's structure as it is."""
    options = read_options(OPTIONS / name)
    changed = ["manual_seed=0"]
    if "semantics" in options["network_g"]:
        changed += ["network_g:semantics:vlm=tiny_vlm.json", "network_g:semantics:pretrained=~"]
    if isinstance(options["network_g"].get("stable_diffusion"), str):
        changed.append(f"network_g:stable_diffusion={json.dumps(TINY_DIFFUSION)}")
    if isinstance(options["network_g"].get("stable_diffusion_xl"), str):
        changed.append(f"network_g:stable_diffusion_xl={json.dumps(TINY_DIFFUSION_XL)}")
    if isinstance(options["network_g"].get("base"), dict):
        tiny = {**TINY_PIXEL_DIFFUSION, "sampler": {"steps": 1}}
        changed += [f"network_g:base:{key}={json.dumps(value)}" for key, value in tiny.items()]
    if options["network_g"]["type"] == "PixelDiffusion":
        changed += [
            f"network_g:unet={json.dumps(TINY_PIXEL_DIFFUSION['unet'])}",
            "val:sampler_steps=1",
            "network_g:sampler:steps=2",
        ]
    if options["scale"] == 8:
        changed += [
            f"datasets:{part}:{key}={data[key].replace('datasets/', 'datasets8/')}"
            for part, data in options["datasets"].items()
            for key in ("dataroot_gt", "dataroot_lq")
            if key in data
        ]
    if name.startswith("test_VLDM_"):
        changed.append("network_g:sampler:steps=1")
    if "train" in options["datasets"]:
        if options["network_g"]["type"] in ("MSSD", "VLDM"):
            changed += ["val:sampler_steps=1", "network_g:sampler:steps=1"]
            if "contrast" in options["network_g"]:
                changed.append("network_g:contrast:queue=2")
        changed += [
            f"datasets:train:gt_size={min(16 * options['scale'], 64)}",
            f"datasets:train:batch_size_per_gpu={options['train'].get('accumulate') or 1}",
            "datasets:train:num_worker_per_gpu=0",
            "datasets:train:persistent_workers=false",
            "train:total_iter=2",
            "val:val_freq=2",
            "logger:print_freq=1",
        ]
    return changed


def training_of(name):
    """The file that trains what a file tests."""
    if name.startswith("test_VLDM_"):  # on data sets that nothing is trained on
        return "train_VLDM_stage2_AID_x8.yml"
    return name.replace("test_VLDM_", "train_VLDM_stage2_").replace("test_", "train_")


def write_first_stage(name):
    """Write a checkpoint of the first stage of a second one, as its training does elsewhere."""
    base = read_options(OPTIONS / name)["network_g"].get("base")
    if isinstance(base, dict) and not Path(base["path"]).exists():
        arguments = {key: value for key, value in base.items() if key not in ("type", "path")} | TINY_PIXEL_DIFFUSION
        Path(base["path"]).parent.mkdir(parents=True, exist_ok=True)
        torch.save({"params_ema": PixelDiffusion(**arguments).state_dict()}, base["path"])


def run(command, name):
    return basicsr.main([command, "-opt", str(OPTIONS / name), "--force_yml", *overrides(name)])


@pytest.mark.parametrize("train", TRAINED)
def test_two_iterations_and_the_test_of_what_came_out(workplace, monkeypatch, capfd, train):
    monkeypatch.chdir(workplace)
    write_first_stage(train)
    assert run("train", train) == 0, capfd.readouterr().err
    name = read_options(OPTIONS / train)["name"]
    models = workplace / "experiments" / name / "models"
    best = torch.load(models / "net_g_best.pth", weights_only=True)
    assert "params" in best
    assert not [key for key in best["params"] if ".visual." in key and "lora_" not in key]
    tests = [file for file in FILES if "test_" in file and training_of(file) == train]
    for file in tests:
        capfd.readouterr()
        assert run("test", file) == 0
        log = capfd.readouterr().err  # BasicSR opens one log file a process, and this is its second run here
        psnr = re.findall(r"# psnr: ([\d.]+)", log)
        assert len(psnr) == len(read_options(OPTIONS / file)["datasets"])
        assert all(3 < float(value) < 60 for value in psnr)
        assert list((workplace / "results" / name).rglob("visualization/*/*.png"))


@pytest.mark.parametrize("name", [name for name in FILES if "bicubic" in name])
def test_baselines_run_without_training(workplace, monkeypatch, name):
    monkeypatch.chdir(workplace)
    assert run("test", name) == 0


@pytest.mark.parametrize("distil", DISTILLED)
def test_a_student_has_the_network_of_its_teacher_and_learns_from_what_that_file_trains(
    workplace, monkeypatch, capfd, distil
):
    monkeypatch.chdir(workplace)
    options, training = (read_options(OPTIONS / name) for name in (distil, distil.replace("distill_", "train_")))
    kept = {name: value for name, value in training["network_g"].items() if name not in ("contrast", "sampler")}
    assert {**kept, "one_pass_guidance": "head", "sampler": options["network_g"]["sampler"]} == options["network_g"]
    assert options["train"]["teacher"] == f"experiments/{training['name']}/models/net_g_latest.pth"
    teacher = Path(options["train"]["teacher"])
    if not teacher.exists():  # elsewhere the training writes it
        teacher.parent.mkdir(parents=True, exist_ok=True)
        arguments = {name: value for name, value in kept.items() if name != "type"}
        if isinstance(arguments["stable_diffusion"], str):
            arguments["stable_diffusion"] = TINY_DIFFUSION
        torch.save({"params_ema": MSSD(**arguments).state_dict()}, teacher)
    assert run("train", distil) == 0, capfd.readouterr().err
    models = workplace / "experiments" / options["name"] / "models"
    student = torch.load(models / "net_g_latest.pth", weights_only=True)
    assert "unet.one_pass.difference.weight" in student["params_ema"]
    if distil == "tiny_distill_MSSD_UCM_x4.yml":  # as its comment says
        said = (OPTIONS / distil).read_text().partition("tiny_test_MSSD_UCM_x4.yml --force_yml ")[2]
        changes = said.partition("\n\n")[0].replace("#", "").replace("\\", "").split()
        test = str(OPTIONS / "tiny_test_MSSD_UCM_x4.yml")
        assert basicsr.main(["test", "-opt", test, "--force_yml", *changes, "network_g:sampler:steps=1"]) == 0


def test_every_test_file_has_its_training():
    for name in FILES:
        if "test_" in name and "bicubic" not in name:
            assert training_of(name) in FILES
            test, train = (read_options(OPTIONS / file) for file in (name, training_of(name)))
            # The contrastive loss is for training alone.
            trained = {key: value for key, value in train["network_g"].items() if key != "contrast"}
            assert test["network_g"] == trained and test["scale"] == train["scale"]
            assert f"experiments/{train['name']}/" in test["path"]["pretrain_network_g"]


@pytest.mark.parametrize("scale", [4, 8])
def test_the_second_stage_of_vldm_stands_on_what_the_file_of_the_first_trains(scale):
    first, second = (read_options(OPTIONS / f"train_VLDM_stage{stage}_AID_x{scale}.yml") for stage in (1, 2))
    path = f"experiments/{first['name']}/models/net_g_latest.pth"
    assert second["network_g"]["base"] == {**first["network_g"], "path": path}
    assert second["network_g"]["trained"] == ["controlnet"], "alone"
    sampler = second["network_g"]["sampler"]
    assert (sampler["steps"], sampler["churn"], sampler["guidance"], sampler["guidance_start"]) == (50, 5, 7.5, 4)


@pytest.mark.parametrize(
    ("name", "iterations", "milestones"),
    [
        ("train_SeGSR_UCM_x2.yml", 80_000, [50_000]),
        ("train_SeGSR_UCM_x4.yml", 80_000, [50_000]),
        ("train_SeGSR_AID_x2.yml", 120_000, [60_000, 100_000]),
        ("train_SeGSR_AID_x4.yml", 120_000, [60_000, 100_000]),
    ],
)
def test_the_papers_settings(name, iterations, milestones):
    options = read_options(OPTIONS / name)
    assert options["train"]["total_iter"] == iterations
    assert options["train"]["scheduler"] == {"type": "MultiStepLR", "milestones": milestones, "gamma": 0.5}
    assert options["train"]["optim_g"]["type"] == "Adam" and options["train"]["optim_g"]["lr"] == 1e-4
    assert options["train"]["pixel_opt"]["type"] == "L1Loss" and options["train"]["ema_decay"] == 0.999
    data = options["datasets"]["train"]
    assert data["batch_size_per_gpu"] == 4 and data["gt_size"] == 64 * options["scale"]
    assert data["use_hflip"] and data["use_rot"]
    net = options["network_g"]
    assert (net["embed_dim"], net["depths"], net["window_size"]) == (180, [6] * 6, 16)
    assert net["semantics"] == {
        "vlm": "ViT-B-16-quickgelu",
        "pretrained": "openai",
        "lora_rank": 32,
        "lora_targets": "qkv+ffn",
    }


@pytest.mark.parametrize(("name", "side"), [("AID", 600), ("DOTA", 600), ("NWPU", 256)])
def test_the_settings_of_the_paper_of_mssd(name, side):
    options = read_options(OPTIONS / f"train_MSSD_{name}_x4.yml")
    train, data, net = options["train"], options["datasets"]["train"], options["network_g"]
    expected = {"type": "AdamW", "lr": 5e-5, "betas": [0.9, 0.999], "weight_decay": 0.01}
    assert train["optim_g"] == expected and train["scheduler"]["gamma"] == 1
    assert (train["amp"], train["grad_clip"], train["accumulate"], train["caption_dropout"]) == ("bf16", 1, 2, 0.5)
    assert data["batch_size_per_gpu"] == 4 and data["gt_size"] == side and data["use_hflip"]
    assert net["trained"] == ["controlnet"] and net["correction"] == "wavelet"
    contrast = {key: value for key, value in net["contrast"].items() if key != "queue"}
    assert contrast == {"weight": 0.1, "temperature": 0.07, "momentum": 0.999, "dimension": 128}
    assert net["sampler"] == {"type": "unipc", "steps": 20, "guidance": 9, "seed": 0}


def test_a_queue_as_long_as_the_data_set_is_refused(workplace, monkeypatch, capfd):
    monkeypatch.chdir(workplace)
    changed = [item for item in overrides("tiny_train_MSSD_UCM_x4.yml") if "queue" not in item]
    path = str(OPTIONS / "tiny_train_MSSD_UCM_x4.yml")
    assert basicsr.main(["train", "-opt", path, "--force_yml", *changed]) == 2
    assert "contrast: queue: 512 is not below the 6 images of the data set" in capfd.readouterr().err


def test_the_check_finds_missing_data_before_anything_is_built(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = read_options(OPTIONS / "train_SeGSR_UCM_x4.yml")
    with pytest.raises(ValueError, match=r"datasets/UCMerced/train/HR_x4.lmdb(.|\n)*segsr prepare"):
        check_options(options, is_train=True, source="train_SeGSR_UCM_x4.yml")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_cannot_be_had_stop_the_run_before_it_moves_anything(workplace, monkeypatch, capfd):
    monkeypatch.chdir(workplace)
    before = sorted(workplace.glob("experiments/*"))
    changed = [item for item in overrides("train_SeGSR_UCM_x4.yml") if "pretrained" not in item]
    changed.append("network_g:semantics:pretrained=gone.pt")
    path = str(OPTIONS / "train_SeGSR_UCM_x4.yml")
    assert basicsr.main(["train", "-opt", path, "--force_yml", *changed]) == 2
    assert "'gone.pt' is neither a file nor a weights tag" in capfd.readouterr().err
    assert sorted(workplace.glob("experiments/*")) == before
