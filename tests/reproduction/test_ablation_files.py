from pathlib import Path

import pytest

from segsr_arch.config import read_options
from segsr_arch.config.check import check_options
from segsr_arch.errors import ConfigError
from segsr_arch.reproduction.ablation_files import ablation_files, main

FOLDER = Path(__file__).parents[2] / "options" / "ablation"
FILES = ablation_files()


def test_the_files_are_what_the_program_writes_byte_for_byte():
    assert {path.name for path in FOLDER.iterdir()} == FILES.keys()
    for name, text in FILES.items():
        assert (FOLDER / name).read_bytes() == text.encode(), f"run python -m {main.__module__} options/ablation"


def test_there_is_a_file_for_each_row():
    assert len(FILES) == 41
    assert {f"train_HAT_u6{part}_UCM_x4_openai.yml" for part in ("", "_sfem", "_lora-none", "_pi-Ig", "_no-norm")} <= (
        FILES.keys()
    )
    assert "train_RCAN_u5_UCM_x2_openai.yml" in FILES and "train_HAT_u6_UCM_x4_random.yml" in FILES


@pytest.mark.parametrize("name", FILES)
def test_nothing_but_images_and_weights_is_missing(name, monkeypatch, tmp_path):
    """Without them, the check still looks at every key, type, name and argument."""
    monkeypatch.chdir(tmp_path)
    options = read_options(FOLDER / name)
    assert f"train_{options['name'].replace('_seed0', '')}.yml" == name
    with pytest.raises(ConfigError) as found:
        check_options(options, is_train=True, source=name)
    lines = str(found.value).splitlines()[1:]
    assert len(lines) == 4 and all("datasets/UCMerced" in line and "segsr prepare" in line for line in lines)


def test_writing_leaves_no_old_file_and_nothing_of_others(tmp_path, capsys):
    (tmp_path / "train_old.yml").touch()
    (tmp_path / "notes.txt").touch()
    assert main([str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {*FILES, "notes.txt"}
    assert "41 files written" in capsys.readouterr().out
    assert main([]) == 2 and "usage" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main([str(tmp_path / "file")]) == 2
