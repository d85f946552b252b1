"""The JSON schema of option files: what is right passes, what is misspelt does not, and new options are in it."""

import json
from dataclasses import dataclass

import jsonschema
import pytest
from basicsr.utils.registry import MODEL_REGISTRY

from segsr_arch.cli import segsr
from segsr_arch.config import check_options, read_options
from segsr_arch.config.networks import check_networks
from segsr_arch.config.problems import Problems
from segsr_arch.config.reference import option_groups, option_reference
from segsr_arch.config.schema import make_schema
from segsr_arch.errors import ConfigError
from segsr_arch.models.segsr_model import SeGSRModel
from segsr_arch.models.train_options import TrainOptions
from segsr_arch.option_fields import keys_of, option
from tests.config.paired_options import changed, good_test, good_train
from tests.support import ROOT

FILES = sorted((ROOT / "options").rglob("*.yml"))
TRAIN = read_options(ROOT / "options/train_SeGSR_UCM_x4.yml")


def validator(schema=None):
    return jsonschema.Draft202012Validator(schema or make_schema())


@pytest.fixture(scope="module")
def valid():
    return validator()


def test_it_is_a_schema_and_all_option_files_keep_to_it(valid):
    jsonschema.Draft202012Validator.check_schema(valid.schema)
    assert len(FILES) > 40
    wrong = {path.name: [e.message for e in valid.iter_errors(read_options(path))] for path in FILES}
    assert not any(wrong.values()), {name: messages for name, messages in wrong.items() if messages}


def test_what_the_check_lets_through_keeps_to_it(valid, tmp_path):
    train, test = good_train(tmp_path), good_test(tmp_path)
    for opt in (train, test, changed(train, "manual_seed", None), changed(train, "val:val_freq", 5e3)):
        assert valid.is_valid(opt), list(valid.iter_errors(opt))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("train:total_iters", 5),
        ("train:acumulate", 2),
        ("train:accumulate", 0),
        ("train:accumulate", None),
        ("train:amp", "bfloat16"),
        ("train:grad_clip", 0),
        ("train:pixl_opt", {"type": "L1Loss"}),
        ("train:pixel_opt:los_weight", 1.0),
        ("train:pixel_opt:type", "L2Loss"),
        ("train:optim_g:type", "adam"),
        ("train:optim_g:weight_decy", 0),
        ("train:scheduler:gama", 0.5),
        ("manual_sed", 0),
        ("model_type", "SRmodel"),
        ("model_type", ...),
        ("num_gpu", "all"),
        ("name", ...),
        ("logger", ...),
        ("logger:print_frequency", 4),
        ("path:pretrain_model_g", None),
        ("path:strict_load_g", "yes"),
        ("tile", {"overlp": 4}),
        ("tile", {"size": 0}),
        ("network_g:type", "SeGSRR"),
        ("network_g:num_feet", 4),
        ("network_g:semantics:lora_rnk", 4),
        ("network_g:semantics:lora_dropout", 1),
        ("network_g:semantics:modules", "sfem+slm"),
        ("datasets:train:batch_size", 4),
        ("datasets:train:batch_size_per_gpu", ...),
        ("datasets:train:gt_size", ...),
        ("datasets:train:type", "PairedDataset"),
        ("datasets:val:io_backend:type", "Lmdb"),
        ("datasets:tests", {}),
        ("val:val_freq", ...),
        ("val:metrics:psnr:type", "psnr"),
        ("val:metrics:psnr:crop_bordr", 4),
        ("val:metrics:psnr:crop_border", -1),
        ("imports", [3]),
        ("path:ignore_resume_networks", ["network_g", 3]),
    ],
)
def test_a_mistake_does_not_keep_to_it(valid, path, value):
    assert valid.is_valid(TRAIN) and not valid.is_valid(changed(TRAIN, path, value))


def test_null_stands_where_the_check_lets_it_and_names_may_say_whose_they_are(valid):
    for path, value in (
        ("train:amp", None),
        ("tile", None),
        ("network_g:semantics", None),
        ("network_g:type", "SeGSR_segsr"),
        ("num_gpu", "auto"),
        ("imports", ["parts.py"]),
        ("imports", "parts.py"),
        ("network_g", {"type": "spandrel/SwinIR", "upscale": 4}),
        ("datasets:val_2", TRAIN["datasets"]["val"]),
        ("train:scheduler", {"type": "CosineAnnealingRestartLR", "periods": [5]}),
    ):
        assert valid.is_valid(changed(TRAIN, path, value)), path


def test_editors_are_told_what_options_do_and_what_holds_without_them(valid):
    model = valid.schema["$defs"]["model-SeGSRModel"]["properties"]
    assert model["train"]["anyOf"][0]["properties"]["accumulate"] == {
        "type": "integer",
        "minimum": 1,
        "description": "split each batch into this many, to save memory",
        "default": 1,
    }
    assert model["tile"]["anyOf"][0]["properties"]["size"]["description"].endswith("was trained on (LR pixels)")
    sections = (model["train"]["anyOf"][0], model["val"]["anyOf"][0], model["path"])
    for group in (model, *(section["properties"] for section in sections)):
        assert all(schema.get("description") for schema in group.values())
    names = valid.schema["allOf"][-2]["properties"]["model_type"]["anyOf"][0]["enum"]
    assert {"SRModel", "SeGSRModel"} <= set(names)


@dataclass(frozen=True, kw_only=True)
class LongerTrainOptions(TrainOptions):
    noise: float = option(0.5, help="noise that is added to patches", unit="grey levels", minimum=0, below=2)


@pytest.fixture
def longer_model(monkeypatch):
    """A model with one more option in ``train:``, one field of one dataclass."""
    monkeypatch.setattr(MODEL_REGISTRY, "_obj_map", dict(MODEL_REGISTRY._obj_map))
    attributes = {"option_keys": {"train": keys_of(LongerTrainOptions)}}
    MODEL_REGISTRY.register(type("LongerModel", (SeGSRModel,), attributes))
    return "LongerModel"


def test_one_field_is_a_new_option_in_check_schema_and_reference(longer_model, tmp_path):
    opt = changed(good_train(tmp_path), "model_type", longer_model)
    valid = validator()
    good = changed(opt, "train:noise", 1.5)
    assert LongerTrainOptions.read(good["train"]).noise == 1.5
    check_options(good, is_train=True, source="some.yml")
    assert valid.is_valid(good)
    for path, value, message in (
        ("train:noise", 2, "train:noise: must be below 2, got 2"),
        ("train:noise", "loud", "train:noise: expected a number, at least 0, below 2, got 'loud' (text)"),
        ("train:nois", 1, "train:nois: unknown key; did you mean noise?"),
    ):
        with pytest.raises(ConfigError) as caught:
            check_options(changed(opt, path, value), is_train=True, source="some.yml")
        assert str(caught.value).splitlines()[1:] == [f"  - {message}"]
        assert not valid.is_valid(changed(opt, path, value))
    row = "| `noise` | a number, at least 0, below 2 (grey levels) | `0.5` | noise that is added to patches |"
    assert row in option_reference(longer_model) and row not in option_reference()


def test_a_model_that_declares_nothing_may_have_any_keys(monkeypatch):
    from basicsr.models.sr_model import SRModel

    monkeypatch.setattr(MODEL_REGISTRY, "_obj_map", dict(MODEL_REGISTRY._obj_map))
    MODEL_REGISTRY.register(type("ModelFromElsewhere", (SRModel,), {"__module__": "elsewhere"}))
    valid, opt = validator(), changed(TRAIN, "model_type", "ModelFromElsewhere")
    assert valid.is_valid(changed(changed(opt, "train:novel", 3), "novel", 3))
    assert not valid.is_valid(changed(opt, "train:ema_decay", "x"))
    assert not valid.is_valid(changed(opt, "train:pixel_opt:type", "L2Loss"))


def test_the_command_prints_it_also_with_parts_of_ones_own(capsys, tmp_path, monkeypatch):
    assert segsr.main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(make_schema()))

    import sys

    from basicsr.utils.registry import LOSS_REGISTRY

    monkeypatch.setattr(LOSS_REGISTRY, "_obj_map", dict(LOSS_REGISTRY._obj_map))
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "schema_parts.py").write_text(
        "from basicsr.utils.registry import LOSS_REGISTRY\n\n\n@LOSS_REGISTRY.register()\n"
        "class OwnLoss:\n    def __init__(self, *, power: int = 2):\n        self.power = power\n"
    )
    try:
        assert segsr.main(["schema", "--imports", str(tmp_path / "schema_parts.py")]) == 0
    finally:
        sys.modules.pop("schema_parts", None)
    valid = validator(json.loads(capsys.readouterr().out))
    own = changed(TRAIN, "train:pixel_opt", {"type": "OwnLoss", "power": 3})
    assert valid.is_valid(own) and not valid.is_valid(changed(own, "train:pixel_opt:power", "three"))
    assert segsr.main(["schema", "--imports", str(tmp_path / "gone.py")]) == 2
    assert "gone.py: there is no such file" in capsys.readouterr().err


def test_every_option_of_the_reference_says_what_it_does():
    groups = option_groups()
    assert all(key.help for keys in groups.values() for key in keys.values())
    assert {"Top level", "`tile:`", "`train:`", "`network_g: semantics:`", "`logger: wandb:`"} <= set(groups)
    reference = option_reference(level=3)
    assert "### `tile:`\n\n| Option | Value | Default | What it does |" in reference
    row = "| `overlap` | a whole number, at least 0 (LR pixels) | `16` | width of the band that neighbouring"
    assert row in reference
    assert "| `amp` | bf16 or fp16 or `~` | `~` |" in reference and "| `name` | text | needed |" in reference


def test_the_reference_has_the_arguments_of_networks_and_what_other_models_add():
    groups = option_groups()
    of_networks = {"TTST": "global_context", "HAT": "overlap_ratio", "MSSD": "pixel_attention", "SeGSR": "embed_dim"}
    for network, argument in of_networks.items():
        assert argument in groups[f"`network_g:` with `type: {network}`"]
    assert "sampler" not in groups["`network_g:` with `type: MSSD`"], "it has a group of its own"
    assert {"churn", "guidance"} <= groups["`network_g: sampler:`"].keys()
    assert groups["`network_g: sampler:` with `type: PixelDiffusion`"].keys() < groups["`network_g: sampler:`"].keys()
    assert "caption_dropout" in groups["`train:` with `model_type: DiffusionModel`"]
    assert "teacher" in groups["`train:` with `model_type: DistillationModel`"]
    assert not any("`model_type: SeGSRModel`" in title or "TrainingModel" in title for title in groups)
    depths = "| `depths` | a list | `[6, 6, 6, 6, 6, 6]` |"
    assert depths in option_reference()


@pytest.mark.parametrize(
    ("chain", "is_right"),
    [
        ("aniso", True),
        ([{"type": "noise", "sigma": [0, 3]}], True),
        ("anios", False),
        ([{"type": "nois"}], False),
        ([{"type": "noise", "sgima": 1}], False),
        ([{"sigma": 3}], False),
    ],
)
def test_editors_know_the_steps_of_a_degradation(valid, chain, is_right):
    blind = read_options(ROOT / "options/train_SeGSR_AID_x4_blind.yml")
    assert valid.is_valid(changed(blind, "datasets:train:degradation", chain)) is is_right
    assert "`degradation:` with `type: noise`" in option_groups()


STAGE = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "upscale": 4}


@pytest.mark.parametrize(
    ("kind", "base", "is_right"),
    [
        ("VLDM", "bicubic", True),
        ("VLDM", {**STAGE, "path": "edsr.pth"}, True),
        ("VLDM", {**STAGE, "pth": "edsr.pth"}, False),
        ("SemanticSR", STAGE, True),
        ("SemanticSR", {**STAGE, "path": "edsr.pth"}, False),
    ],
)
def test_a_network_within_one_has_keys_that_this_one_reads_among_its_own(valid, kind, base, is_right):
    network = {"VLDM": {"type": kind, "scale": 4, "stable_diffusion_xl": "xl"}, "SemanticSR": {"type": kind}}[kind]
    opt = {**TRAIN, "network_g": {**network, "base": base}}
    assert valid.is_valid(opt) == is_right
    problems = Problems()
    check_networks(problems, opt)
    assert problems.ok == is_right
