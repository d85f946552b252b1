import sys
import textwrap
from pathlib import Path

import pytest
import torch
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY

from segsr_arch import capabilities
from segsr_arch.cli import segsr
from segsr_arch.config import check_options, read_options
from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.trained_network import load_trained
from tests.cli.runs import forget_logger, losses, make_options, make_pairs, network, run_here, start, write_options
from tests.config.paired_options import good_train
from tests.support import TINY_HAT, TINY_SEMANTICS, TINY_VLM

TINY_TEXT = {"context_length": 24, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
# A network of a user's own: four convolutions behind one another, x2.
NETWORK = """
    import torch
    from basicsr.utils.registry import ARCH_REGISTRY
    from torch import nn

    @ARCH_REGISTRY.register()
    class {name}(nn.Module):
        def __init__(self, channels=8):
            super().__init__()
            self.head = nn.Conv2d(3, channels, 3, padding=1)
            self.steps = nn.Sequential(*(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(4)))
            self.tail = nn.Conv2d(channels, 12, 3, padding=1)

        def forward(self, x):
            return nn.functional.pixel_shuffle(self.tail(self.steps(self.head(x))), 2)
"""
LAYOUT = """
    from segsr_arch.capabilities import FOREIGN, Capabilities

    FOREIGN["{name}"] = Capabilities(units=("steps",))
"""


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch, tmp_path):
    """What a test imports is forgotten after it: modules, the module path, registered names, layouts."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(capabilities, "FOREIGN", dict(capabilities.FOREIGN))
    for registry in (ARCH_REGISTRY, DATASET_REGISTRY):
        monkeypatch.setattr(registry, "_obj_map", dict(registry._obj_map))
    yield
    for name in set(sys.modules) - before:
        # libraries that were needed for the first time stay: they are bound to one another
        places = [getattr(sys.modules[name], "__file__", None), *getattr(sys.modules[name], "__path__", ())]
        if any(place and Path(place).is_relative_to(tmp_path) for place in places):
            del sys.modules[name]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_module(path, text, **names):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).format(**names) if names else textwrap.dedent(text))
    return path


def problem(here, *entries):
    """The one problem that the check has with these imports and an option file that is right otherwise."""
    with pytest.raises(ConfigError) as caught:
        check_options({**good_train(here), "imports": list(entries)}, is_train=True, source="some.yml")
    head, line = str(caught.value).splitlines()
    assert head == "some.yml: 1 problem"
    return line.removeprefix("  - ")


def test_a_network_in_a_file_is_known_to_the_check(here):
    write_module(here / "nets/first_net.py", NETWORK, name="FirstNet")
    opt = {**good_train(here), "network_g": {"type": "FirstNet"}}
    with pytest.raises(ConfigError, match="'FirstNet' is not registered"):
        check_options(opt, is_train=True, source="some.yml")
    opt["imports"] = "nets/first_net.py"
    for _ in range(2):
        check_options(opt, is_train=True, source="some.yml")
    opt["network_g"] |= {"chanels": 4}
    with pytest.raises(ConfigError, match="network_g:chanels: FirstNet has no such option; did you mean channels?"):
        check_options(opt, is_train=True, source="some.yml")


def test_modules_by_name_and_files_beside_one_another(here, monkeypatch):
    write_module(here / "library/installed_pkg/__init__.py", "")
    write_module(here / "library/installed_pkg/nets.py", NETWORK, name="PackagedNet")
    write_module(here / "nets/beside.py", "SIZE = 3")
    write_module(here / "nets/imports_beside.py", "import beside\nassert beside.SIZE == 3")
    monkeypatch.syspath_prepend(here / "library")
    entries = ["installed_pkg.nets", "./nets/imports_beside.py", str(here / "nets/beside.py")]
    check_options({**good_train(here), "imports": entries}, is_train=True, source="some.yml")
    assert "PackagedNet" in ARCH_REGISTRY


def test_none_and_nothing_are_imported_without_a_word(here):
    for entries in (None, []):
        check_options({**good_train(here), "imports": entries}, is_train=True, source="some.yml")


def test_what_is_not_there_is_named(here):
    assert problem(here, "gone.py") == f"imports:gone.py: there is no such file (seen from {here})"
    line = problem(here, "gone_pkg.nets")
    assert line.startswith("imports:gone_pkg.nets: there is no such module") and line.endswith("in PYTHONPATH?")
    write_module(here / "nets/later.py", "")
    assert problem(here, "nets.later.more").startswith("imports:nets.later.more: there is no such module")
    write_module(here / "local_net.py", "")
    assert problem(here, "local_net").endswith("write local_net.py to import the file")


def test_what_is_no_module_is_refused(here):
    for entry in ("nets/", "my-net", ""):
        assert f"imports{':' if entry else ''}{entry}: expected the name of a module" in problem(here, entry)
    write_module(here / "net.v2.py", "")
    assert problem(here, "net.v2.py") == "imports:net.v2.py: a module's name has no dots; rename the file"
    for wrong in (3, [3], {"a": "b"}):
        with pytest.raises(ConfigError, match="imports: expected text or a list of texts"):
            check_options({**good_train(here), "imports": wrong}, is_train=True, source="some.yml")


def test_a_file_that_is_called_as_another_module_is_refused(here):
    write_module(here / "calendar.py", "")
    write_module(here / "one/same_name.py", "")
    write_module(here / "two/same_name.py", "")
    line = problem(here, "calendar.py")
    assert "imports:calendar.py: another module is called calendar already" in line and "rename the file" in line
    line = problem(here, "one/same_name.py", "two/same_name.py")
    assert line.startswith("imports:two/same_name.py: another module is called same_name")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import missing_library", "(ModuleNotFoundError: No module named 'missing_library', line 1 of "),
        ("x = 1\ny = z", "(NameError: name 'z' is not defined, line 2 of "),
        ("def f(:", "(SyntaxError: invalid syntax (broken_net.py, line 1))"),
        ("import sys\nsys.exit(3)", "ends the program when it is imported (exit code 3, line 2 of "),
        ("raise AssertionError", "(AssertionError: no further explanation, line 1 of "),
    ],
)
def test_an_import_that_raises_is_told_with_its_place(here, text, words):
    write_module(here / "broken_net.py", text)
    line = problem(here, "broken_net.py")
    assert line.startswith("imports:broken_net.py: ") and words in line


def test_a_name_that_is_taken_is_told_with_a_way_out(here):
    write_module(here / "another_edsr.py", NETWORK, name="EDSR")
    line = problem(here, "another_edsr.py")
    assert "imports:another_edsr.py: registers the arch 'EDSR', a name that is taken" in line
    assert "ARCH_REGISTRY.register(suffix='mine') makes it EDSR_mine" in line
    text = NETWORK.replace("register()", "register(suffix='mine')")
    write_module(here / "renamed_edsr.py", text, name="EDSR")
    opt = {**good_train(here), "imports": ["renamed_edsr.py"], "network_g": {"type": "EDSR_mine", "channels": 4}}
    check_options(opt, is_train=True, source="some.yml")


def test_nothing_is_run_as_long_as_anything_else_is_wrong(here):
    write_module(here / "marker_net.py", "from pathlib import Path\nPath('ran').touch()\n")
    opt = {**good_train(here), "imports": ["marker_net.py"], "network_g": {"type": "YetUnknown"}}
    wrong = [
        ({"scal": 2}, "scal: unknown key"),
        ({"imports": ["marker_net.py", "gone.py"]}, "imports:gone.py: there is no such file"),
        ({"path": {"pretrain_network_g": "gone.pth"}}, "path:pretrain_network_g: gone.pth does not exist"),
        ({"logger": {**opt["logger"], "print_freq": 0}}, "logger:print_freq: must be at least 1"),
    ]
    for change, words in wrong:
        with pytest.raises(ConfigError, match=words):
            check_options({**opt, **change}, is_train=True, source="some.yml")
        assert not (here / "ran").exists()
    with pytest.raises(ConfigError, match="'YetUnknown' is not registered"):  # the module might have done so
        check_options(opt, is_train=True, source="some.yml")
    assert (here / "ran").exists()


def test_the_log_of_a_run_says_which_code_was_run(here, monkeypatch):
    make_pairs(here, count=2)
    write_module(here / "logged_net.py", NETWORK, name="LoggedNet")
    opt = {**make_options(here, iterations=1), "network_g": {"type": "LoggedNet", "channels": 4}}
    write_options(here, {**opt, "imports": ["logged_net.py"]})
    assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, here) == 0
    (log,) = (here / "experiments/tiny").glob("train_*.log")
    assert f"imports: {here / 'logged_net.py'} is code and was run" in log.read_text()


def guided(name, units):
    return {"type": "SemanticSR", "base": {"type": name}, "units": units, "semantics": TINY_SEMANTICS}


def test_every_command_runs_a_network_of_ones_own_guided_at_given_paths(here, monkeypatch):
    make_pairs(here, count=2)
    write_module(here / "nets/path_net.py", NETWORK, name="PathNet")
    own = guided("PathNet", ["steps.1", "steps.3"])
    own["semantics"] = {**TINY_SEMANTICS, "vlm": {**TINY_VLM, "text_cfg": TINY_TEXT}}
    opt = {**make_options(here, iterations=2), "network_g": own, "imports": ["nets/path_net.py"]}
    write_options(here, opt)
    assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, here) == 0
    assert list(losses(here)) == [1, 2]
    assert ("params", "base.steps.3.weight") in network(here, "latest")
    assert read_options(here / "experiments/tiny/tiny.yml")["imports"] == ["nets/path_net.py"]

    test = {key: opt[key] for key in ("name", "model_type", "scale", "num_gpu", "network_g", "imports")}
    roots = {key: opt["datasets"]["train"][key] for key in ("dataroot_gt", "dataroot_lq", "io_backend")}
    test["datasets"] = {"test": {"name": "few", "type": "PairedImageDataset", **roots}}
    test["path"] = {"pretrain_network_g": "experiments/tiny/models/net_g_latest.pth"}
    write_options(here, {**test, "val": {"save_img": True, "suffix": None}}, "test.yml")
    forget_path_net()
    assert run_here(["test", "-opt", "test.yml"], monkeypatch, here) == 0
    for command in (["evaluate", "--no-cost", "--metric", "psnr", "--out", "evaluated"], ["explain", "--out", "told"]):
        forget_path_net()
        assert segsr.main([*command, "-opt", "test.yml"]) == 0
    assert len(list(here.glob("results/tiny/visualization/few/*.png"))) == 2
    assert list(here.glob("evaluated/**/*.csv")) and list(here.glob("told/units.csv"))
    forget_path_net()
    trained = load_trained("test.yml", device="cpu")
    assert trained.network.unit_paths == ["steps.1", "steps.3"]
    assert trained.guidance({"lq": torch.rand(3, 8, 8)}).shape[0] == 2


def forget_path_net():
    """As in a process of its own."""
    del sys.modules["path_net"], ARCH_REGISTRY._obj_map["PathNet"]
    forget_logger()


def test_a_file_may_declare_the_layout_of_its_network(here, monkeypatch):
    make_pairs(here)
    write_module(here / "laid_out.py", NETWORK + LAYOUT, name="LaidOutNet")
    opt = make_options(here, iterations=2)
    write_options(here, {**opt, "network_g": guided("LaidOutNet", 2), "imports": ["laid_out.py"]})
    assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, here) == 0
    assert ("params", "guide.modulation.1.gain.weight") in network(here, "latest")
    assert ("params", "guide.modulation.2.gain.weight") not in network(here, "latest")


def test_a_network_that_is_called_as_one_of_ours_is_the_one_that_is_imported(here):
    write_module(here / "their_hat.py", NETWORK, name="HAT")
    opt = {**good_train(here), "imports": "their_hat.py", "network_g": {"type": "HAT", "channels": 4}}
    check_options(opt, is_train=True, source="some.yml")
    opt["network_g"] = {"type": "HAT", "embed_dim": 12}
    with pytest.raises(ConfigError, match="network_g:embed_dim: HAT has no such option"):
        check_options(opt, is_train=True, source="some.yml")
    opt["network_g"] = {"type": "HAT_segsr", **TINY_HAT, "upscale": 2}
    check_options(opt, is_train=True, source="some.yml")


def test_imports_may_come_from_the_command_line(here, monkeypatch, capsys):
    make_pairs(here)
    write_module(here / "forced.py", NETWORK, name="ForcedNet")
    write_options(here, {**make_options(here, iterations=1), "network_g": {"type": "ForcedNet"}})
    assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, here) == 2
    assert "'ForcedNet' is not registered" in capsys.readouterr().err
    assert run_here(["train", "-opt", "tiny.yml", "--force_yml", "imports=[forced.py]"], monkeypatch, here) == 0


@pytest.mark.slow
def test_each_rank_and_each_spawned_worker_imports(here):
    make_pairs(here)
    dataset = """

    from basicsr.data.paired_image_dataset import PairedImageDataset
    from basicsr.utils.registry import DATASET_REGISTRY

    @DATASET_REGISTRY.register()
    class OwnDataset(PairedImageDataset):
        pass
    """
    write_module(here / "nets/rank_net.py", NETWORK.format(name="RankNet") + LAYOUT.format(name="RankNet") + dataset)
    opt = make_options(here, iterations=2, workers=1)
    opt["datasets"]["train"]["type"] = "OwnDataset"
    write_options(here, {**opt, "network_g": guided("RankNet", 2), "imports": ["nets/rank_net.py"]})
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    with start(["train", "-opt", "tiny.yml", "--launcher", "pytorch"], here, launcher=launcher, seconds=300) as process:
        output, _ = process.communicate()
    assert process.returncode == 0, output
    assert list(losses(here)) == [1, 2]
