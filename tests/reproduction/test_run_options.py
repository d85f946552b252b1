import pytest
import yaml

from segsr_arch.config import read_options
from segsr_arch.errors import ConfigError
from segsr_arch.reproduction.presets import FULL
from segsr_arch.reproduction.run_options import (
    as_word,
    final_options,
    network_key,
    network_options,
    semantics_of,
    train_options,
)
from segsr_arch.reproduction.variants import guided, plain
from segsr_arch.training.option_files import write_options
from tests.reproduction.made import make_settings


def train(variant, settings):
    return train_options(variant, settings, name="run", seed=3)


def test_the_papers_schedules():
    for dataset, iterations, milestones in (("UCM", 80_000, [50_000]), ("AID", 120_000, [60_000, 100_000])):
        options = train(plain("HAT"), make_settings(preset=FULL, dataset=dataset))
        assert options["train"]["total_iter"] == iterations
        assert options["train"]["scheduler"] == {"type": "MultiStepLR", "milestones": milestones, "gamma": 0.5}
        assert options["train"]["optim_g"]["lr"] == 1e-4 and options["train"]["ema_decay"] == 0.999
        assert options["datasets"]["train"]["batch_size_per_gpu"] == 4
        assert options["datasets"]["train"]["gt_size"] == 256
    assert options["datasets"]["val"]["name"] == "AID_val"


def test_other_iterations_move_the_milestones_and_keep_one_validation_and_one_state():
    options = train(plain("EDSR"), make_settings(iterations=40))
    assert options["train"]["total_iter"] == 40
    assert options["train"]["scheduler"]["milestones"] == [24, 34]
    assert options["val"]["val_freq"] == options["logger"]["save_checkpoint_freq"] == 40
    assert options["manual_seed"] == 3 and options["name"] == "run"


def test_a_shortened_training_warms_its_average_up_and_the_papers_own_does_not():
    shortened = train(plain("HAT"), make_settings(preset=FULL, iterations=3000))["train"]
    assert shortened["ema_warmup"] is True and shortened["ema_decay"] == 0.999
    assert "ema_warmup" not in train(plain("HAT"), make_settings(preset=FULL))["train"]
    small = train(plain("HAT"), make_settings())["train"]
    assert small["ema_warmup"] is True and small["ema_decay"] == 0.99, "1,500 iterations are 15 time constants"
    assert "ema_warmup" not in train(plain("HAT"), make_settings(iterations=3000))["train"]


def test_precision_of_training():
    assert train(plain("HAT"), make_settings(amp="bf16"))["train"]["amp"] == "bf16"
    assert "amp" not in train(plain("HAT"), make_settings())["train"]


def test_all_rows_share_everything_but_the_network():
    settings = make_settings()
    one, other = train(plain("EDSR"), settings), train(guided("HAT", suffix="sfem", modules="sfem"), settings)
    assert {key for key in one if one[key] != other[key]} == {"network_g"}


def test_the_test_takes_the_best_network_on_val_and_val_takes_the_last():
    test = final_options(plain("EDSR"), make_settings(final_split="test"), name="run", seed=0)
    assert test["path"]["pretrain_network_g"] == "experiments/run/models/net_g_best.pth"
    assert test["datasets"]["test"]["dataroot_gt"] == "/nowhere/test/HR_x4.lmdb"
    val = final_options(plain("EDSR"), make_settings(final_split="val"), name="run", seed=0)
    assert val["path"]["pretrain_network_g"] == "experiments/run/models/net_g_latest.pth"
    assert val["datasets"]["test"]["dataroot_gt"] == "/nowhere/val/HR_x4.lmdb"
    assert val["path"]["param_key_g"] == "params_ema"


def test_lora_keeps_its_weight_of_one_and_goes_without_rank_where_there_is_none():
    settings = make_settings()
    for factor, rank in ((0.5, 4), (1.0, 8), (2.0, 16)):
        semantics = semantics_of(guided("HAT", rank_factor=factor), settings)
        assert semantics["lora_rank"] == semantics["lora_alpha"] == rank
    assert not {"lora_rank", "lora_alpha"} & semantics_of(guided("HAT", lora_targets="none"), settings).keys()
    with pytest.raises(ConfigError, match="LoRA rank of 0.8 is not possible"):
        semantics_of(guided("HAT", rank_factor=0.1), settings)


def test_weights_of_rows_and_of_the_command_line():
    settings = make_settings()
    assert semantics_of(guided("HAT"), settings)["pretrained"] is None
    with pytest.raises(ConfigError, match=r"preset small has random weights.*--vlm-pretrained FILE"):
        semantics_of(guided("HAT", weights="pretrained"), settings)
    settings = make_settings(vlm="ViT-B-32", vlm_pretrained="/some/where/my vit_2.pt")
    assert semantics_of(guided("HAT", weights="pretrained"), settings)["pretrained"] == "/some/where/my vit_2.pt"
    assert semantics_of(guided("HAT", weights="random"), settings)["pretrained"] is None
    assert semantics_of(guided("HAT"), settings)["vlm"] == "ViT-B-32"
    assert network_key(guided("HAT"), settings) == "HAT_u6_UCM_x4_ViT-B-32_my-vit-2"
    assert network_key(guided("HAT", weights="random"), settings) == "HAT_u6_UCM_x4_ViT-B-32_random"
    assert network_key(plain("HAT"), settings) == "HAT_UCM_x4"


def test_words_for_file_names():
    assert [as_word(text) for text in ("openai", "laion2b_s34b", "a/b.c/vit.safetensors", "vit.pt", "hf-hub:x")] == [
        "openai",
        "laion2b-s34b",
        "vit",
        "vit",
        "hf-hub-x",
    ]


def test_a_plain_row_is_the_base_itself_and_a_guided_one_wraps_the_very_same():
    settings = make_settings()
    base = network_options(plain("RCAN"), settings)
    assert base["type"] == "RCAN"
    wrapped = network_options(guided("RCAN", units=2), settings)
    assert (wrapped["type"], wrapped["base"], wrapped["units"]) == ("SemanticSR", base, 2)


def test_written_options_are_read_as_they_were(tmp_path):
    options = train(guided("EDSR"), make_settings(preset=FULL))
    (tmp_path / "run.yml").write_text(write_options(options, comment="First line.\n\nThird line."))
    assert (tmp_path / "run.yml").read_text().startswith("# First line.\n#\n# Third line.\n\nname: run\n")
    assert read_options(tmp_path / "run.yml") == options == yaml.safe_load((tmp_path / "run.yml").read_text())
