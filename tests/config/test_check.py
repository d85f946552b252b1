import copy

import pytest

import segsr_arch  # noqa: F401
from segsr_arch.config import Key, check_options
from segsr_arch.errors import ConfigError
from tests.config.paired_options import changed, good_test, good_train


def problems(opt, is_train=True):
    with pytest.raises(ConfigError) as caught:
        check_options(opt, is_train=is_train, source="some.yml")
    head, *lines = str(caught.value).splitlines()
    assert head == f"some.yml: {len(lines)} problem{'s' if len(lines) > 1 else ''}"
    return lines


@pytest.fixture(scope="module")
def train_opt(tmp_path_factory):
    return good_train(tmp_path_factory.mktemp("train"))


def test_good_options_pass_and_are_not_changed(tmp_path, train_opt):
    before = copy.deepcopy(train_opt)
    check_options(train_opt, is_train=True, source="some.yml")
    assert train_opt == before
    check_options(good_test(tmp_path), is_train=False, source="some.yml")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        # unknown keys, the nearest known one named
        ("manual_sed", 0, ["manual_sed: unknown key", "manual_seed"]),
        ("datasets:train:batch_size", 4, ["datasets:train:batch_size: unknown key", "batch_size_per_gpu"]),
        ("train:total_iters", 4, ["train:total_iters", "total_iter?"]),
        ("train:scheduler:gama", 0.5, ["train:scheduler:gama", "gamma?"]),
        ("train:optim_g:weight_decy", 0.5, ["train:optim_g:weight_decy: Adam", "weight_decay?"]),
        ("train:pixel_opt:los_weight", 1.0, ["train:pixel_opt:los_weight: L1Loss", "loss_weight?"]),
        ("network_g:num_feet", 4, ["network_g:num_feet: MSRResNet", "num_feat?"]),
        ("val:metrics:psnr:crop_bordr", 4, ["val:metrics:psnr:crop_bordr", "crop_border?"]),
        ("logger:print_frequency", 4, ["logger:print_frequency", "print_freq?"]),
        ("path:pretrain_model_g", None, ["path:pretrain_model_g", "pretrain_network_g?"]),
        ("datasets:train:io_backend:root", 1, ["datasets:train:io_backend:root: unknown key"]),
        # names that are not registered
        ("model_type", "SRmodel", ["model_type: 'SRmodel' is not registered", "SRModel?"]),
        ("network_g:type", "MSRResNt", ["network_g:type: 'MSRResNt'", "MSRResNet?"]),
        ("datasets:val:type", "PairedDataset", ["datasets:val:type: 'PairedDataset'", "PairedImageDataset?"]),
        ("train:pixel_opt:type", "L2Loss", ["train:pixel_opt:type: 'L2Loss'", "L1Loss?"]),
        ("train:optim_g:type", "adam", ["train:optim_g:type: 'adam'", "Adam?"]),
        ("train:scheduler:type", "MultistepLR", ["train:scheduler:type", "MultiStepLR?"]),
        ("val:metrics:psnr:type", "psnr", ["val:metrics:psnr:type: 'psnr'"]),
        # types and values
        ("num_gpu", True, ["num_gpu: expected a whole number or auto", "got true"]),
        ("num_gpu", "all", ["num_gpu: expected a whole number or auto", "'all'"]),
        ("manual_seed", "1", ["manual_seed: expected a whole number", "'1' (text)"]),
        ("train:total_iter", 10.5, ["train:total_iter: expected a whole number", "10.5"]),
        ("train:optim_g:lr", "fast", ["train:optim_g:lr: expected a number"]),
        ("train:ema_decay", None, ["train:ema_decay: must not be empty"]),
        ("network_g:num_block", True, ["network_g:num_block: expected a number such as the default 16"]),
        ("datasets:train:use_rot", 1, ["datasets:train:use_rot: expected true or false, got 1"]),
        ("datasets:train:prefetch_mode", "gpu", ["datasets:train:prefetch_mode: expected cpu or cuda"]),
        ("datasets:train:num_worker_per_gpu", -1, ["datasets:train:num_worker_per_gpu: must be at least 0"]),
        ("datasets:train:io_backend:type", "Lmdb", ["io_backend:type: expected disk or lmdb"]),
        ("name", "a/b", ["name: 'a/b' becomes a folder name"]),
        ("network_g", "MSRResNet", ["network_g: expected a mapping"]),
        # missing
        ("name", ..., ["name: is missing"]),
        ("scale", ..., ["scale: is missing"]),
        ("train", ..., ["train: is missing"]),
        ("logger", ..., ["logger: is missing"]),
        ("path", ..., ["path: is missing"]),
        ("datasets:train", ..., ["datasets:train: is missing"]),
        ("datasets:train:gt_size", ..., ["datasets:train:gt_size: is missing"]),
        ("val:val_freq", ..., ["val:val_freq: is missing"]),
        ("network_g:type", ..., ["network_g:type: is missing"]),
        ("val:metrics:psnr:crop_border", ..., ["val:metrics:psnr:crop_border: is missing"]),
        # contradictions
        ("network_g:upscale", 4, ["network_g:upscale: the network enlarges x4, but scale: is 2"]),
        ("network_g:upscale", ..., ["network_g:upscale: the network enlarges x4 by default, but scale: is 2"]),
        ("train:scheduler:restart_weights", [1, 2], ["restart_weights: needs as many entries as restarts (1), has 2"]),
        ("datasets:train:persistent_workers", True, ["persistent_workers: must be false because num_worker"]),
        ("datasets:train:prefetch_mode", "cuda", ["pin_memory: must be true with prefetch_mode: cuda"]),
        ("datasets:test", {}, ["datasets:test: unknown phase"]),
    ],
)
def test_one_mistake_gives_one_problem(train_opt, path, value, words):
    lines = problems(changed(train_opt, path, value))
    assert len(lines) == 1, lines
    for word in words:
        assert word in lines[0]


def test_all_problems_come_at_once(train_opt):
    opt = changed(changed(changed(train_opt, "scal", 2), "logger:print_freq", ...), "path:models_dir", "x")
    lines = problems(opt)
    assert len(lines) == 3
    assert any("BasicSR would make a folder of it" in line for line in lines)


def test_periods_must_last_until_the_end(train_opt):
    scheduler = {"type": "CosineAnnealingRestartLR", "periods": [5, 6], "restart_weights": [1, 1]}
    check_options(changed(train_opt, "train:scheduler", scheduler), is_train=True, source="some.yml")
    scheduler["periods"] = [5, 5]  # 12 iterations
    assert "add up to 10, fewer than total_iter: 12" in problems(changed(train_opt, "train:scheduler", scheduler))[0]


@pytest.mark.parametrize(("key", "kind"), [("resume_state", "file"), ("pretrain_network_g", "file")])
def test_files_must_exist(train_opt, tmp_path, key, kind):
    assert "gone.pth does not exist" in problems(changed(train_opt, f"path:{key}", "gone.pth"))[0]
    assert "is a folder, expected a file" in problems(changed(train_opt, f"path:{key}", str(tmp_path)))[0]


def test_test_run_needs_suffix_but_it_may_be_empty(tmp_path):
    opt = good_test(tmp_path)
    check_options(changed(opt, "val:suffix", "x"), is_train=False, source="some.yml")
    assert "val:suffix: is missing" in problems(changed(opt, "val:suffix", ...), is_train=False)[0]
    assert "val: is missing" in problems(changed(opt, "val", ...), is_train=False)[0]


def test_whole_numbers_may_be_written_with_an_exponent(train_opt):
    check_options(changed(train_opt, "val:val_freq", 5e3), is_train=True, source="some.yml")


def test_keys_of_this_package(train_opt):
    opt = changed(train_opt, "model_type", "SeGSRModel")
    opt["train"] |= {"amp": "bf16", "grad_clip": 1.0, "accumulate": 2, "lora_lr_factor": 0.5}
    opt["tile"] = {"size": 64, "overlap": 8}
    check_options(opt, is_train=True, source="some.yml")
    assert "train:amp: expected bf16 or fp16" in problems(changed(opt, "train:amp", "bfloat16"))[0]
    assert "tile:overlp: unknown key; did you mean overlap?" in problems(changed(opt, "tile:overlp", 4))[0]
    assert "accumulate: 3 must divide" in problems(changed(opt, "train:accumulate", 3))[0]
    assert "tile: unknown key" in problems(changed(changed(train_opt, "tile", {}), "model_type", "SRModel"))[0]


def test_nested_options_of_the_guide(train_opt):
    network = {"type": "SeGSR", "upscale": 2, "semantics": {"vlm": "ViT-B-16", "lora_rank": 4, "pretrained": None}}
    opt = changed(train_opt, "network_g", network)
    check_options(opt, is_train=True, source="some.yml")
    line = problems(changed(opt, "network_g:semantics:lora_rnk", 4))[0]
    assert "network_g:semantics:lora_rnk: unknown key; did you mean lora_rank?" in line
    line = problems(changed(opt, "network_g:semantics:lora_rank", "many"))[0]
    assert "network_g:semantics:lora_rank: expected a whole number, got 'many' (text)" in line
    assert "semantics: expected a mapping" in problems(changed(opt, "network_g:semantics", 3))[0]


@pytest.fixture
def model_from_elsewhere():
    from basicsr.models.sr_model import SRModel
    from basicsr.utils.registry import MODEL_REGISTRY

    def register(**attributes):
        return MODEL_REGISTRY.register(type("ModelFromElsewhere", (SRModel,), attributes))

    yield register
    MODEL_REGISTRY._obj_map.pop("ModelFromElsewhere", None)


def test_models_from_elsewhere_may_have_keys_of_their_own(train_opt, model_from_elsewhere):
    model_from_elsewhere()
    opt = changed(changed(train_opt, "model_type", "ModelFromElsewhere"), "train:novel", 3)
    check_options(opt, is_train=True, source="some.yml")
    assert "train:ema_decay: expected a number" in problems(changed(opt, "train:ema_decay", "x"))[0]


def test_models_from_elsewhere_may_have_the_name_of_one_of_ours(train_opt, monkeypatch):
    from basicsr.models.sr_model import SRModel
    from basicsr.utils.registry import MODEL_REGISTRY

    monkeypatch.setattr(MODEL_REGISTRY, "_obj_map", dict(MODEL_REGISTRY._obj_map))
    opt = changed(changed(train_opt, "model_type", "SeGSRModel"), "train:novel", 3)
    assert "train:novel: unknown key" in problems(opt)[0]
    MODEL_REGISTRY.register(type("SeGSRModel", (SRModel,), {"__module__": "elsewhere"}))
    check_options(opt, is_train=True, source="some.yml")
    assert "train:novel: unknown key" in problems(changed(opt, "model_type", "SeGSRModel_segsr"))[0]


def test_models_from_elsewhere_may_declare_their_keys(train_opt, model_from_elsewhere):
    model_from_elsewhere(option_keys={"train": {"novel": Key("int", minimum=2)}})
    opt = changed(changed(train_opt, "model_type", "ModelFromElsewhere"), "train:novel", 3)
    check_options(opt, is_train=True, source="some.yml")
    assert "train:novel: must be at least 2, got 1" in problems(changed(opt, "train:novel", 1))[0]
    assert "train:novl: unknown key; did you mean novel?" in problems(changed(opt, "train:novl", 1))[0]
