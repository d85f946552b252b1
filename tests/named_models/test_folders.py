import pytest
import torch
import yaml
from safetensors.torch import save_file

from segsr_arch.config.run_options import read_run_options
from segsr_arch.errors import ConfigError, WeightsFileError
from segsr_arch.named_models.card import ModelCard
from segsr_arch.named_models.folders import default_name, find_model, find_models, own_folder, weights_of
from tests.named_models.models import forget_models, write_model


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    return forget_models(tmp_path, monkeypatch)


def test_models_are_found_in_the_named_folders_then_the_users_then_the_packages(home, monkeypatch):
    write_model(home / "package", "aerial-x4", title="of the package")
    write_model(own_folder(), "mine", title="of the user")
    write_model(home / "named", "aerial-x4", title="of the folder")
    assert [(model.name, model.card.title, model.shipped) for model in find_models()[0]] == [
        ("aerial-x4", "of the package", True),
        ("mine", "of the user", False),
    ]
    monkeypatch.setenv("SEGSR_MODELS", str(home / "named"))
    models, problems = find_models()
    assert [model.card.title for model in models] == ["of the folder", "of the user"]
    assert [f"{home / 'package/aerial-x4.yml'} is not seen" in problem for problem in problems] == [True]
    assert find_model("aerial-x4").scale == 4 and own_folder() == home / "config/segsr/models"


def test_a_name_stands_for_weights_wherever_options_name_a_file(home):
    weights = write_model(own_folder(), "mine").with_suffix(".safetensors")
    options = home / "train.yml"
    given = {"path": {"pretrain_network_g": "segsr://mine"}, "network_g": {"base": {"path": "segsr://mine"}}}
    options.write_text(yaml.safe_dump(given))
    read = read_run_options(options, ["path:pretrain_network_l=segsr://mine"])
    assert read == {
        "path": {"pretrain_network_g": str(weights), "pretrain_network_l": str(weights)},
        "network_g": {"base": {"path": str(weights)}},
    }
    with pytest.raises(
        ConfigError, match="pretrain_network_g: segsr://mime: There is no model mime; did you mean mine?"
    ):
        read_run_options(options, ["path:pretrain_network_g=segsr://mime"])


def test_a_models_own_option_file_names_the_weights_beside_it_wherever_it_lies(home):
    write_model(own_folder(), "mine")
    elsewhere = write_model(home / "elsewhere", "mine")
    read = read_run_options(elsewhere)
    assert read["path"]["pretrain_network_g"] == str(elsewhere.with_suffix(".safetensors"))


def test_missing_and_changed_weights_are_refused(home):
    options = write_model(own_folder(), "mine")
    save_file({"weight": torch.zeros(3)}, options.with_suffix(".safetensors"))
    with pytest.raises(WeightsFileError, match="SHA-256 is not the one on the card"):
        weights_of("segsr://mine")
    options.with_suffix(".safetensors").unlink()
    with pytest.raises(WeightsFileError, match=r"mine\.safetensors is missing"):
        weights_of("segsr://mine")


def test_what_is_no_model_is_said_and_hides_no_other(home):
    write_model(own_folder(), "mine")
    (own_folder() / "notes.yml").write_text("scale: 4\n")
    write_model(own_folder(), "typo", titel="of the user")
    models, problems = find_models()
    assert [model.name for model in models] == ["mine"]
    assert "notes.yml: is no option file of a test" in problems[0]
    assert "typo.yml: card: titel is not an option; did you mean title?" in problems[1]


def test_a_card_says_what_is_not_stated():
    card = ModelCard(title="A network", figures={"psnr": 28.1})
    assert card.stated() == {"title": "A network", "figures": {"psnr": 28.1}}
    assert "Figures: psnr: 28.1" in card.lines() and "Limits: not stated" in card.lines()


def test_the_network_that_is_taken_where_none_is_named_is_that_of_the_scale(home):
    assert default_name() is None
    write_model(home / "package", "aerial_x4")
    assert (default_name(), default_name(4), default_name(2)) == ("aerial_x4", "aerial_x4", None)
    write_model(own_folder(), "aerial_x2")
    assert default_name(2) == "aerial_x2"
