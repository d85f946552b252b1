from pathlib import Path

import pytest

from segsr_arch.config import read_options
from segsr_arch.config.check import check_options
from segsr_arch.errors import ConfigError
from segsr_arch.reproduction.option_folders import main, option_files
from segsr_arch.reproduction.presets import FULL

OPTIONS = Path(__file__).parents[2] / "options"
FILES = option_files()


def test_the_files_are_what_the_program_writes_byte_for_byte():
    assert {f"{folder}/{path.name}" for folder in ("zoo", "ablation") for path in (OPTIONS / folder).iterdir()} == (
        FILES.keys()
    )
    for name, text in FILES.items():
        assert (OPTIONS / name).read_bytes() == text.encode(), f"run python -m {main.__module__} options"


def test_there_is_a_file_for_each_guided_row():
    assert len([name for name in FILES if name.startswith("ablation/")]) == 35
    assert {
        f"ablation/train_HAT_u6{part}_UCM_x4_openai.yml"
        for part in ("", "_sfem", "_lora-none", "_pi-Ig", "_no-norm", "_identity", "_improved")
    } <= FILES.keys()
    assert "ablation/train_RCAN_u5_UCM_x2_openai.yml" in FILES
    assert "ablation/train_HAT_u6_UCM_x4_random.yml" in FILES


def test_every_network_of_the_tables_has_a_training_and_a_test_on_both_data_sets_at_both_scales():
    names = [f"{base}_{data}_x{scale}" for base in FULL.networks for data in ("UCM", "AID") for scale in (2, 4)]
    zoo = {name for name in FILES if name.startswith("zoo/")}
    assert zoo == {f"zoo/{command}_{name}.yml" for command in ("train", "test") for name in names}
    assert {"zoo/train_HAUNet_UCM_x2.yml", "zoo/test_SPT_AID_x4.yml", "zoo/train_TTST_AID_x2.yml"} < zoo
    assert {"zoo/train_MFG-HMoE_UCM_x4.yml", "zoo/test_SRFormer_AID_x2.yml", "zoo/test_EDSR_UCM_x4.yml"} < zoo


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("zoo/train_")])
def test_a_test_measures_what_its_training_leaves(name):
    training, test = (read_options(OPTIONS / file) for file in (name, name.replace("train_", "test_")))
    assert test["network_g"] == training["network_g"] and test["name"] == training["name"]
    assert test["path"]["pretrain_network_g"] == f"experiments/{training['name']}/models/net_g_best.pth"
    assert test["path"]["param_key_g"] == "params_ema" and training["train"]["ema_decay"] > 0
    assert test["val"]["metrics"] == training["val"]["metrics"]
    dataset = {"UCM": "datasets/UCMerced", "AID": "datasets/AID"}[training["name"].split("_")[1]]
    assert training["datasets"]["train"]["dataroot_gt"] == f"{dataset}/train/HR_x{training['scale']}.lmdb"
    assert test["datasets"]["test"]["dataroot_lq"] == f"{dataset}/test/LR_x{training['scale']}.lmdb"
    assert training["train"]["total_iter"] == {"UCM": 80_000, "AID": 120_000}[training["name"].split("_")[1]]


@pytest.mark.parametrize("name", FILES)
def test_nothing_but_images_and_weights_is_missing(name, monkeypatch, tmp_path):
    """Without them, the check still looks at every key, type, name and argument."""
    monkeypatch.chdir(tmp_path)
    options = read_options(OPTIONS / name)
    command, _, rest = Path(name).stem.partition("_")
    assert options["name"].replace("_seed0", "") == rest
    with pytest.raises(ConfigError) as found:
        check_options(options, is_train=command == "train", source=name)
    lines = [line for line in str(found.value).splitlines()[1:] if "pretrain_network_g" not in line]
    assert len(lines) == (4 if command == "train" else 2)
    assert all("datasets/" in line and "segsr prepare" in line for line in lines)


def test_writing_leaves_no_old_file_and_nothing_of_others(tmp_path, capsys):
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo/train_old.yml").touch()
    (tmp_path / "zoo/notes.txt").touch()
    (tmp_path / "train_mine.yml").touch()
    assert main([str(tmp_path)]) == 0
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {*FILES, "zoo/notes.txt", "train_mine.yml"}
    assert "123 files written" in capsys.readouterr().out
    assert main([]) == 2 and "usage" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main([str(tmp_path / "file")]) == 2
