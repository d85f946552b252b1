"""Wrong options are found while the folders of the previous run are where they were."""

import io
import json
import shutil
import time

import pytest
import torch

import segsr_arch  # noqa: F401
from segsr_arch.archs.segsr_arch import SeGSR
from tests.cli.runs import make_options, make_pairs, run_here, write_options
from tests.compat.helpers import Payload
from tests.config.paired_options import changed
from tests.support import TINY_HAT, TINY_SEMANTICS, TINY_VLM

GUIDED = {"type": "SeGSR", "upscale": 2, **TINY_HAT, "semantics": TINY_SEMANTICS}

VGG = {"type": "PerceptualLoss", "layer_weights": {"conv5_4": 1}}


def stock_train(folder):
    return make_options(folder, val_freq=4)


def guided_train(folder):
    return {**stock_train(folder), "model_type": "SeGSRModel", "network_g": GUIDED}


def as_test(opt):
    """The same as a test run."""
    keys = ("name", "model_type", "scale", "num_gpu", "network_g", "path")
    val = {"save_img": False, "suffix": None, "metrics": opt["val"]["metrics"]}
    return {**{key: opt[key] for key in keys}, "datasets": {"test": opt["datasets"]["val"]}, "val": val}


@pytest.fixture
def folder(tmp_path):
    make_pairs(tmp_path)
    for kind in ("experiments", "results"):
        (tmp_path / kind / "tiny" / "models").mkdir(parents=True)
        (tmp_path / kind / "tiny" / "models" / "precious").write_text("kept")
    return tmp_path


@pytest.fixture
def refused(folder, monkeypatch, capsys):
    """Run the command, which must refuse the options and leave every folder as it was; returns what it says."""

    def run(opt, command="train", *arguments):
        write_options(folder, opt)
        before = sorted(folder.rglob("*"))
        capsys.readouterr()
        assert run_here([command, "-opt", "tiny.yml", *arguments], monkeypatch, folder) == 2
        assert sorted(folder.rglob("*")) == before
        error = capsys.readouterr().err
        assert error.startswith("error: tiny.yml: 1 problem\n"), error
        return error

    return run


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        # what the model alone knows
        ("tile", {"size": 16, "overlap": 16}, "tile: overlap: must be from 0 to size - 1"),
        ("train:accumulate", 3, "train: accumulate: 3 must divide datasets: train: batch_size_per_gpu: 2"),
        ("train:pixel_opt", None, "train: needs a loss: pixel_opt or perceptual_opt"),
        ("train:grad_clip", 0, "train:grad_clip: must be above 0, got 0"),
        # HAT
        ("network_g:embed_dim", None, "network_g:embed_dim: expected a whole number, got nothing (~)"),
        ("network_g:embed_dim", 13, "HAT: num_heads: 2: give a divisor of embed_dim (13)"),
        ("network_g:depths", ["a"], "network_g:depths: expected a list of whole numbers, got ['a']"),
        ("network_g:depths", 2, "network_g:depths: expected a list of whole numbers, got 2"),
        ("network_g:depths", None, "network_g:depths: expected a list of whole numbers, got nothing (~)"),
        ("network_g:depths", [2], "num_heads: [2, 2]: give as many entries as depths has (1)"),
        ("network_g:drop_path_rate", 1, "HAT: drop_path_rate: 1: give a number from 0 up to"),
        ("network_g:squeeze_factor", 30, "HAT: squeeze_factor: 30: give a number above 0 and at most embed_dim"),
        ("network_g:conv_scale", None, "network_g:conv_scale: expected a number, got nothing (~)"),
        # units
        ("network_g:units", ["layers.9"], "network_g: units: 'layers.9' is no module of HAT"),
        ("network_g:units", 3, "network_g: units: must be from 1 to 2"),
        ("network_g:units", [3], "network_g:units: expected a whole number or a list of texts or ~, got [3]"),
        (
            "network_g",
            {**GUIDED, "units": ["layers.0.conv"], "use_checkpoint": True},
            "units: layers.0.conv lies within",
        ),
        # the vision-language model
        ("network_g:semantics:vlm", "RN50", "network_g: semantics: vlm: RN50: its vision tower is no plain ViT"),
        ("network_g:semantics:vlm", "ViT-B-61", "network_g: semantics: vlm: 'ViT-B-61' is no open_clip model"),
        ("network_g:semantics:vlm", {**TINY_VLM, "vision_cfg": {"widht": 3}}, "open_clip cannot build this vision_cfg"),
        ("network_g:semantics:vlm:vision_cfg:width", -32, "vision_cfg: width: must be a whole number from 1, got -32"),
        ("network_g:semantics:vlm:preprocess_cfg", {"mean": ["a"]}, "preprocess_cfg: mean and std must be lists of"),
        ("network_g:semantics:num_heads", 5, "num_heads: 5 does not divide the vision-language model's joint width 32"),
        ("network_g:semantics:pretrained", "gone.pt", "'gone.pt' is neither a file nor a weights tag"),
        ("network_g:semantics:pretrained", "tiny.yml", "tiny.yml cannot be read as weights: it is text"),
        ("network_g:semantics:lora_alpha", None, "semantics:lora_alpha: expected a number, got nothing (~)"),
        ("network_g:semantics:lora_alpha", 0, "semantics: lora_alpha: must be a number above 0, got 0"),
        ("network_g:semantics:lora_dropout", None, "semantics:lora_dropout: expected a number, got nothing (~)"),
        ("network_g:semantics:random_seed", None, "semantics:random_seed: expected a whole number, got nothing (~)"),
        ("network_g:semantics:random_seed", -1, "semantics: random_seed: must be a whole number of at least 0"),
        ("network_g:semantics:lora_targets", ["qkv"], "semantics:lora_targets: expected text or ~, got ['qkv']"),
        ("network_g:pretrain_base", "gone.pth", "network_g: pretrain_base: there is no file gone.pth"),
        (
            "network_g:pretrain_base",
            "tiny.yml",
            "pretrain_base: tiny.yml cannot be read as weights: it is text",
        ),
    ],
)
def test_guided_training(folder, refused, path, value, said):
    assert said in refused(changed(guided_train(folder), path, value))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        # networks that do not check themselves are built
        ("network_g:num_block", None, "network_g: the network cannot be built (TypeError"),
        ("network_g:num_feat", -4, "network_g: the network cannot be built (RuntimeError"),
        # metrics
        ("val:metrics:psnr:crop_border", "4", "psnr:crop_border: expected a whole number, at least 0, got '4'"),
        ("val:metrics:psnr:crop_border", -1, "val:metrics:psnr:crop_border: must be at least 0, got -1"),
        ("val:metrics:psnr:crop_border", None, "val:metrics:psnr:crop_border: must not be empty"),
        ("val:metrics:psnr:test_y_channel", "yes", "val:metrics:psnr:test_y_channel: expected true or false"),
        ("val:metrics:psnr:input_order", "CWH", "val:metrics:psnr:input_order: expected HWC, got 'CWH'"),
        ("val:metrics:psnr:type", "calculate_psnr_pt", "val:metrics:psnr: cannot be computed, tried on two 32 x 32"),
        # losses, optimizers, schedulers
        ("train:pixel_opt:reduction", "average", "train:pixel_opt: cannot be built (ValueError: Unsupported reduction"),
        ("train:pixel_opt:reduction", "none", "train:pixel_opt: must give one finite number; check reduction (mean)"),
        ("train:pixel_opt:type", "GANLoss", "train:pixel_opt:gan_type: is missing"),
        ("train:pixel_opt", None, "train: needs a loss: pixel_opt or perceptual_opt"),
        (
            "train:perceptual_opt",
            {**VGG, "layer_weights": {"conv5_5": 1}},
            "layer_weights:conv5_5: vgg19 has no such layer",
        ),
        (
            "train:perceptual_opt",
            {**VGG, "vgg_type": "vgg18"},
            "train:perceptual_opt:vgg_type: 'vgg18' is no VGG network",
        ),
        (
            "train:perceptual_opt",
            {**VGG, "criterion": "l3"},
            "train:perceptual_opt:criterion: expected l1 or l2 or fro",
        ),
        ("train:perceptual_opt", {"type": "L1Loss"}, "train:perceptual_opt: must give two values"),
        ("train:optim_g:betas", [0.9], "train:optim_g:betas: expected a list of 2 numbers, got [0.9]"),
        ("train:optim_g:betas", [0.9, 2.0], "train:optim_g: a step of this optimizer fails"),
        ("train:optim_g:betas", ["a", 0.9], "train:optim_g:betas: expected a list of numbers, got ['a', 0.9]"),
        ("train:optim_g:lr", float("nan"), "train:optim_g:lr: expected a number, at least 0, got nan"),
        ("train:optim_g:type", "LBFGS", "train:optim_g: a step of this optimizer fails"),
        ("train:optim_g:type", "SparseAdam", "train:optim_g: a step of this optimizer fails"),
        ("train:scheduler:milestones", ["a"], "train:scheduler:milestones: expected a list of whole numbers"),
        ("train:scheduler:gamma", None, "train:scheduler:gamma: must not be empty"),
        # bounds
        ("train:ema_decay", 1, "train:ema_decay: must be below 1, got 1"),
        ("manual_seed", 2**32, "manual_seed: must be at most 4294967295"),
        ("name", "..", "name: '..' becomes a folder name"),
        ("name", ".", "name: '.' becomes a folder name"),
        ("datasets:val:mean", ["a"], "datasets:val:mean: expected a list of numbers, got ['a']"),
        ("logger:wandb", {"project": "x"}, "logger:use_tb_logger: must be true with logger:wandb"),
        # keys of BasicSR's own
        ("auto_resume", True, "auto_resume: is set by BasicSR itself, remove it; use --auto_resume"),
        ("dist", True, "dist: is set by BasicSR itself, remove it; use --launcher"),
        (
            "path:models",
            "weights",
            "path:models: is set by BasicSR itself, remove it; BasicSR's folders are experiments",
        ),
        ("datasets:val:meta_info_file", "~/names.txt", "BasicSR does not replace ~ here, write the whole path"),
    ],
)
def test_stock_training(folder, refused, path, value, said):
    assert said in refused(changed(stock_train(folder), path, value))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("tile", {"size": 8, "overlap": 8}, "tile: overlap: must be from 0 to size - 1"),
        ("network_g:units", ["layers.9"], "units: 'layers.9' is no module of HAT"),
        ("val:metrics:psnr:crop_border", -1, "crop_border: must be at least 0, got -1"),
        ("path:models", "weights", "path:models: is set by BasicSR itself"),
    ],
)
def test_guided_test(folder, refused, path, value, said):
    assert said in refused(changed(as_test(guided_train(folder)), path, value), "test")


@pytest.mark.parametrize("command", ["train", "test"])
def test_metrics_need_ground_truth(folder, refused, command):
    opt = stock_train(folder) if command == "train" else as_test(stock_train(folder))
    name = "val" if command == "train" else "test"
    few = {key: opt["datasets"][name][key] for key in ("name", "dataroot_lq", "io_backend")}
    opt["datasets"][name] = {**few, "type": "SingleImageDataset"}
    assert f"datasets:{name}: SingleImageDataset has no ground truth for val:metrics (psnr)" in refused(opt, command)


def test_weights_of_the_perceptual_loss_are_read_before_the_run(folder, refused):
    path = folder / "experiments/pretrained_models/vgg19-dcbb9e9d.pth"
    path.parent.mkdir(parents=True)
    torch.save({"features": Payload(folder / "ran")}, path)
    said = refused(changed(stock_train(folder), "train:perceptual_opt", VGG))
    assert (
        "train:perceptual_opt: its weights cannot be loaded. experiments/pretrained_models/vgg19-dcbb9e9d.pth" in said
    )
    assert "is refused because it could run code" in said and not (folder / "ran").exists()


def test_weights_of_another_vision_language_model(folder, refused):
    torch.save({"conv1.weight": torch.zeros(3)}, folder / "vlm.pt")
    opt = changed(guided_train(folder), "network_g:semantics:pretrained", "vlm.pt")
    assert "its weights belong to another architecture than inline" in refused(opt)


def test_weights_of_a_vision_language_model_that_are_cut_short(folder, refused):
    torch.save({"conv1.weight": torch.zeros(1000)}, folder / "vlm.pt")
    (folder / "vlm.pt").write_bytes((folder / "vlm.pt").read_bytes()[:2000])
    error = refused(changed(guided_train(folder), "network_g:semantics:pretrained", "vlm.pt"))
    assert "vlm.pt cannot be read: it is cut short, for the end of the archive is missing (2000 bytes" in error
    assert "download it again" in error


def test_tag_of_a_vision_language_model_without_network(folder, refused, monkeypatch):
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    tag = {"vlm": "ViT-B-32-quickgelu", "pretrained": "openai", "cache_dir": str(folder / "cache")}
    start = time.monotonic()
    error = refused(changed(guided_train(folder), "network_g:semantics", {**TINY_SEMANTICS, **tag}))
    assert time.monotonic() - start < 20
    assert "semantics: pretrained: the weights 'openai' of ViT-B-32-quickgelu could not be fetched (Conn" in error
    assert "(semantics: cache_dir), or place any open_clip state dict" in error


@pytest.mark.parametrize("command", ["train", "test"])
@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("dataroot_lq", "empty", "dataroot_lq: empty holds no images"),
        ("dataroot_gt", "gone.lmdb", "dataroot_gt: gone.lmdb does not exist"),
        ("dataroot_lq", "fewer", "dataroot_gt and dataroot_lq do not fit together (8 HR and 7 LR images)"),
    ],
)
def test_data_that_is_not_there_or_not_whole(folder, refused, command, key, value, said):
    (folder / "empty").mkdir()
    shutil.copytree(folder / "LR", folder / "fewer")
    (folder / "fewer" / "03.png").unlink()
    opt = stock_train(folder) if command == "train" else as_test(stock_train(folder))
    name = next(name for name in opt["datasets"] if name == command)
    error = refused(changed(opt, f"datasets:{name}:{key}", value), command)
    assert f"datasets:{name}" in error and said in error
    assert "03.png" in error or "segsr prepare" in error


def save_guided(folder, monkeypatch, **network):
    """A checkpoint of a guided network that differs from GUIDED by some options."""
    monkeypatch.chdir(folder)
    options = {key: value for key, value in {**GUIDED, **network}.items() if key != "type"}
    torch.save({"params": SeGSR(**options).state_dict()}, folder / "net.pth")


@pytest.mark.parametrize("command", ["train", "test"])
@pytest.mark.parametrize(
    ("network", "said"),
    [
        ({"upscale": 4}, "net.pth: The checkpoint belongs to another network: upscale 4 in the file, 2 here"),
        ({"units": 1}, "another network: units 1 ("),
        ({"embed_dim": 24}, "The checkpoint does not fit the HAT of network_g"),
        (
            {"semantics": {**TINY_SEMANTICS, "random_seed": 1}},
            "trained with the vision-language model inline with weights random(1)",
        ),
    ],
)
def test_checkpoint_of_another_guided_network(folder, refused, monkeypatch, command, network, said):
    save_guided(folder, monkeypatch, **network)
    opt = guided_train(folder) if command == "train" else as_test(guided_train(folder))
    error = refused(changed(opt, "path:pretrain_network_g", "net.pth"), command)
    assert "path:pretrain_network_g: net.pth" in error and said in error


def damaged(content):
    """What torch saves of the content, with one bit of its tensor flipped."""
    file = io.BytesIO()
    torch.save(content, file)
    saved = bytearray(file.getvalue())
    saved[saved.find(bytes(200))] ^= 1
    return bytes(saved)


def test_checkpoint_of_another_scale_may_be_loaded_loosely_but_not_beside_another_model(folder, refused, monkeypatch):
    opt = changed(guided_train(folder), "path", {"pretrain_network_g": "net.pth", "strict_load_g": False})
    save_guided(folder, monkeypatch, upscale=4, semantics={**TINY_SEMANTICS, "random_seed": 1})
    assert "vision-language model" in refused(opt)
    save_guided(folder, monkeypatch, upscale=4)
    write_options(folder, changed(opt, "train:total_iter", 1))
    assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, folder) == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"junk", "net.pth cannot be read"),
        ({"params": Payload("ran")}, "net.pth is refused because it could run code"),
        ({"weights": {}}, "net.pth holds no weights: no entry of it has names and tensors (there are weights)"),
        ({"params": [1]}, "net.pth holds no weights: its entry params has none"),
        ({"params": {}}, "net.pth holds no weights: its entry for them is empty"),
        (damaged({"params": {"conv.weight": torch.zeros(64)}}), "net.pth cannot be read: it is damaged"),
        ({"params": {"conv.weight": torch.zeros(1)}}, "net.pth belongs to another network than the one in the option"),
    ],
)
def test_checkpoint_that_is_none_of_this_network(folder, refused, content, said, capsys):
    if isinstance(content, bytes):
        (folder / "net.pth").write_bytes(content)
    else:
        torch.save(content, folder / "net.pth")
    for command, opt in (("train", stock_train(folder)), ("test", as_test(stock_train(folder)))):
        assert said in refused(changed(opt, "path:pretrain_network_g", "net.pth"), command)


def test_plain_weights_are_no_checkpoint_of_a_guided_network(folder, refused):
    torch.save({"params": {"conv_first.weight": torch.zeros(1)}}, folder / "net.pth")
    opt = changed(guided_train(folder), "path:pretrain_network_g", "net.pth")
    assert "HAT alone belong to network_g: pretrain_base" in refused(opt)


def test_auto_resume_does_not_read_what_the_run_started_from(folder, refused, monkeypatch):
    first = {**changed(make_options(folder, iterations=2), "logger:save_checkpoint_freq", 2), "name": "resumed"}
    write_options(folder, first)
    assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, folder) == 0
    opt = changed({**make_options(folder, iterations=4), "name": "resumed"}, "path:pretrain_network_g", "net.pth")
    for content in (None, b"junk"):
        if content is not None:
            (folder / "net.pth").write_bytes(content)
        assert "net.pth" in refused(opt, "train")
    write_options(folder, opt)
    assert run_here(["train", "-opt", "tiny.yml", "--auto_resume"], monkeypatch, folder) == 0
    assert (folder / "experiments" / "resumed" / "models" / "net_g_latest.pth").is_file()
    assert [path.name for path in (folder / "experiments").iterdir() if "archived" in path.name] == []


def test_auto_resume_without_a_state_starts_from_the_checkpoint_and_checks_it(folder, refused):
    opt = changed(stock_train(folder), "path:pretrain_network_g", "net.pth")
    assert "net.pth does not exist" in refused(opt, "train", "--auto_resume")


def test_random_weights_are_named_in_a_test(folder, monkeypatch, capsys):
    warning = "warning: network_g: the network has random weights, because path:pretrain_network_g is not given"
    opt = {**as_test(stock_train(folder)), "name": "random"}
    write_options(folder, opt)
    assert run_here(["test", "-opt", "tiny.yml"], monkeypatch, folder) == 0
    assert capsys.readouterr().err.count(warning) == 1
    write_options(folder, {**opt, "name": "bicubic", "network_g": {"type": "Bicubic", "upscale": 2}})
    assert run_here(["test", "-opt", "tiny.yml"], monkeypatch, folder) == 0
    assert "random weights" not in capsys.readouterr().err


def test_configuration_file_of_a_vision_language_model_is_checked_too(folder, refused):
    (folder / "vlm.json").write_text(json.dumps({**TINY_VLM, "embed_dim": "wide"}))
    opt = changed(guided_train(folder), "network_g:semantics:vlm", "vlm.json")
    assert "semantics: vlm: vlm: embed_dim: must be a whole number from 1, got 'wide'" in refused(opt)
