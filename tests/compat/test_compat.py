import importlib
import re
import sys
import warnings
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from segsr_arch import compat
from segsr_arch.compat.installation import Installation
from segsr_arch.compat.patching import is_stock, substitute
from segsr_arch.errors import DependencyError
from tests.compat.helpers import make_lmdb, make_pairs, run_python, train, write_options

AFTER = """\
import sys, torchvision.transforms.functional as functional
sys.modules["torchvision.transforms.functional_tensor"] = functional  # what an older script does by itself
from basicsr.train import load_resume_state, train_pipeline
from basicsr.utils import imfrombytes
import basicsr, basicsr.train, basicsr.data
stock = [basicsr.train.load_resume_state]
import segsr_arch
from segsr_arch.compat import status
assert not status()["functional_tensor"] and status()["resume"], status()
assert load_resume_state is basicsr.train.load_resume_state is basicsr.load_resume_state is not stock[0]
assert imfrombytes is basicsr.utils.imfrombytes is basicsr.data.paired_image_dataset.imfrombytes
assert imfrombytes.__module__ == "segsr_arch.compat.image_reading"
assert basicsr.train.parse_options is basicsr.test.parse_options is basicsr.utils.options.parse_options
assert basicsr.train.parse_options.__module__ == "segsr_arch.compat.repairs.parse_options"
assert basicsr.utils.options.init_dist.__module__ == "segsr_arch.compat.repairs.init_dist"
assert "wandb" not in sys.modules
print("fine")
"""


def test_all_repairs_are_applied_or_not_needed_here():
    assert set(compat.apply()) | {"functional_tensor", "version", "fid"} == set(compat.REPAIRS) == set(compat.status())


def test_applied_once():
    import basicsr.train
    from basicsr.models.base_model import BaseModel

    before = (basicsr.train.load_resume_state, BaseModel.save_network, basicsr.train.parse_options)
    names = compat.apply()
    assert compat.apply() == names
    assert [name for name, repair in compat.REPAIRS.items() if name != "spawned_workers" and repair()] == []
    assert before == (basicsr.train.load_resume_state, BaseModel.save_network, basicsr.train.parse_options)


@pytest.mark.parametrize("name", compat.REPAIRS)
def test_every_repair_names_symptom_and_cause_and_says_what_it_does(name):
    module = importlib.import_module(f"segsr_arch.compat.repairs.{name}")
    _, symptom, cause = re.fullmatch(r"(.+?)\n\nSymptom: (.+?)\nCause: (.+)", module.__doc__, re.DOTALL).groups()
    assert symptom.strip() and cause.strip() and module.repair.__doc__


def test_a_file_among_the_repairs_is_found_by_itself(tmp_path, monkeypatch):
    (tmp_path / "zzz_mended.py").write_text("def repair():\n    return True\n")
    monkeypatch.setattr(compat.repairs, "__path__", [*compat.repairs.__path__, str(tmp_path)])
    found = compat._find_repairs()
    monkeypatch.delitem(sys.modules, "segsr_arch.compat.repairs.zzz_mended")
    assert [*found][:2] == ["functional_tensor", "version"] and [*found][2:] == sorted([*found][2:])
    assert found.keys() - compat.REPAIRS.keys() == {"zzz_mended"} and found["zzz_mended"]()


def test_import_after_basicsr_reaches_copied_names(tmp_path):
    process = run_python("-c", AFTER, cwd=tmp_path)
    assert process.stdout == "fine\n", process.stderr


def test_another_version_is_repaired_where_it_is_broken_with_one_warning(monkeypatch):
    def lacks_a_module():
        raise ModuleNotFoundError("No module named 'basicsr.ops'", name="basicsr.ops")

    def lacks_a_function():
        raise AttributeError("module 'basicsr.train' has no attribute 'load_resume_state'")

    repairs = {"resume": lambda: True, "ops": lacks_a_module, "train": lacks_a_function, "fid": lambda: False}
    monkeypatch.setattr(compat, "_status", {})
    monkeypatch.setattr(compat, "REPAIRS", repairs)
    monkeypatch.setattr(compat, "find_installation", lambda: Installation(Path("/made/basicsr"), "1.3.5"))
    with pytest.warns(
        RuntimeWarning, match="basicsr 1.3.5 in /made/basicsr is used; segsr_arch is made for 1.4.2"
    ) as told:
        assert compat.apply() == ["resume"]
    assert "Repaired in it: resume. Not found there, or not as it was released: ops, train, fid." in str(
        told[0].message
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compat.apply() == ["resume"]
    assert compat.status() == {"resume": True, "ops": False, "train": False, "fid": False}


def test_a_repair_that_fails_in_the_release_is_an_error(monkeypatch):
    def broken():
        raise ModuleNotFoundError("No module named 'basicsr.ops'", name="basicsr.ops")

    monkeypatch.setattr(compat, "_status", {})
    monkeypatch.setattr(compat, "REPAIRS", {"ops": broken})
    with pytest.raises(
        DependencyError, match=r"basicsr 1\.4\.2 in .* lacks something that segsr_arch needs \(No module"
    ):
        compat.apply()
    assert compat.status() == {}


def test_mended_function_is_left_alone(monkeypatch):
    from basicsr.models.base_model import BaseModel

    def get_optimizer(self, optim_type, params, lr):
        return optim_type

    mended = FunctionType(get_optimizer.__code__, {"__name__": "basicsr.models.base_model"})
    monkeypatch.setattr(BaseModel, "get_optimizer", mended)
    assert not compat.REPAIRS["get_optimizer"]()
    assert BaseModel.get_optimizer is mended


def test_is_stock(stock):
    from basicsr.models.base_model import BaseModel

    old = stock("basicsr.models.base_model").BaseModel
    assert is_stock(old.save_network, "save", "sleep"), "through the decorator"
    assert not is_stock(old.save_network, "something else")
    assert not is_stock(BaseModel.save_network)


def test_substitute_passes_over_modules_that_are_not_loaded_yet(monkeypatch):
    class Lazy(ModuleType):
        def __getattribute__(self, name):
            pytest.fail("loads the module")

    module = ModuleType("one")
    module.x = old = object()
    monkeypatch.setitem(__import__("sys").modules, "one", module)
    monkeypatch.setitem(__import__("sys").modules, "two", Lazy("two"))
    substitute(old, "new")
    assert module.x == "new"


def test_missing_distutils_names_the_command(monkeypatch):
    def missing():
        raise ModuleNotFoundError("No module named 'distutils'", name="distutils")

    monkeypatch.setattr(compat, "_status", {})
    monkeypatch.setattr(compat, "REPAIRS", {"one": missing})
    with pytest.raises(ImportError, match="pip install setuptools"):
        compat.apply()


def test_training_on_a_machine_without_gpu_and_auto_resume_from_anywhere(tmp_path, monkeypatch, deadline):
    gt, lq = (make_lmdb(folder, tmp_path / f"{folder.name}.lmdb") for folder in make_pairs(tmp_path))
    loader = {"prefetch_mode": "cuda", "pin_memory": True}
    options = write_options(tmp_path / "a.yml", gt, lq, train=loader, num_gpu=1)
    root = tmp_path / "root"
    train(monkeypatch, root, "-opt", options)
    folder = root / "experiments" / "tiny"
    assert {path.name for path in (folder / "training_states").iterdir()} == {"2.state", "4.state"}
    assert len(list(folder.glob("train_*.log"))) == 1, "the log file is there"

    options = write_options(tmp_path / "a.yml", gt, lq, train=loader, num_gpu=1, iterations=6)
    monkeypatch.chdir(tmp_path)
    train(monkeypatch, root, "-opt", options, "--auto_resume")
    assert [path.name for path in (root / "experiments").iterdir()] == ["tiny"], "nothing was archived"
    assert {path.name for path in (folder / "training_states").iterdir()} == {"2.state", "4.state", "6.state"}
