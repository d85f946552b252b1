import contextlib
import io
import logging
import re
import sys

import pytest
from basicsr.utils import get_root_logger

import segsr_arch  # noqa: F401
from segsr_arch.cli.basicsr import main
from tests.cli.runs import largest_difference, losses, make_options, make_pairs, network, run_here, start, write_options
from tests.support import make_image, write_image


@pytest.fixture
def folder(tmp_path):
    make_pairs(tmp_path)
    return tmp_path


def test_without_arguments_prints_help(capsys):
    assert main([]) == 0
    assert "train a network" in capsys.readouterr().out


def test_train_then_test(folder, monkeypatch, capsys):
    opt = make_options(folder, iterations=3)
    write_options(folder, opt)
    assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, folder) == 0
    assert "Models, states and log: experiments/tiny" in capsys.readouterr().err
    experiment = folder / "experiments" / "tiny"
    assert (experiment / "models" / "net_g_latest.pth").is_file()
    assert "# basicsr train -opt tiny.yml" in (experiment / "tiny.yml").read_text()
    assert list(losses(folder)) == [1, 2, 3]

    test_opt = {key: opt[key] for key in ("name", "model_type", "scale", "num_gpu", "network_g")}
    roots = {key: opt["datasets"]["train"][key] for key in ("dataroot_gt", "dataroot_lq", "io_backend")}
    test_opt["datasets"] = {"test": {"name": "few", "type": "PairedImageDataset", **roots}}
    test_opt["path"] = {"pretrain_network_g": "experiments/tiny/models/net_g_latest.pth"}
    test_opt["val"] = {
        "save_img": True,
        "suffix": None,
        "metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 0}},
    }
    write_options(folder, test_opt, "test.yml")
    argv = sys.argv
    assert run_here(["test", "-opt", "test.yml"], monkeypatch, folder) == 0
    assert sys.argv is argv
    assert "Results: results/tiny" in capsys.readouterr().err
    assert len(list((folder / "results" / "tiny" / "visualization" / "few").glob("*.png"))) == 8


def test_runs_of_one_process_have_a_log_file_each_and_leave_no_stream_behind(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    for name in ("first", "second"):
        path = write_options(folder, make_options(folder, iterations=2) | {"name": name})
        with io.StringIO() as screen, contextlib.redirect_stderr(screen):
            assert main(["train", "-opt", str(path)]) == 0
            assert "is built" in screen.getvalue()
        (log,) = (folder / "experiments" / name).glob("train_*.log")
        assert f"experiments/{name}/models" in log.read_text() and "End of training" in log.read_text()
    get_root_logger().info("said after the runs")
    get_root_logger().warning("to the screen as it is now")
    told = capsys.readouterr().err
    assert "Logging error" not in told and "to the screen as it is now" in told
    assert "said after the runs" not in log.read_text()


def test_images_alone_are_tested_with_a_metric_that_compares_with_nothing(folder, monkeypatch):
    for index in range(2):
        write_image(folder / "alone" / f"{index}.png", make_image(index, 96, 96))
    single = {"name": "alone", "type": "SingleImageDataset", "dataroot_lq": "alone", "io_backend": {"type": "disk"}}
    niqe = {"type": "calculate_niqe", "crop_border": 0, "better": "lower"}
    opt = {**make_options(folder), "network_g": {"type": "Bicubic", "upscale": 2}, "datasets": {"test": single}}
    opt = {key: opt[key] for key in ("name", "model_type", "scale", "num_gpu", "network_g", "datasets", "path")}
    write_options(folder, {**opt, "val": {"save_img": False, "suffix": None, "metrics": {"niqe": niqe}}})
    assert run_here(["test", "-opt", "tiny.yml"], monkeypatch, folder) == 0
    log = next((folder / "results" / "tiny").glob("test_*.log")).read_text()
    assert 0 < float(re.search(r"# niqe: ([\d.]+)", log)[1]) < 100


def test_misspelt_key_stops_before_anything_is_written(folder, monkeypatch, capsys):
    opt = make_options(folder)
    opt["datasets"]["train"]["batch_size_per_gup"] = opt["datasets"]["train"].pop("batch_size_per_gpu")
    write_options(folder, opt)
    (folder / "experiments" / "tiny").mkdir(parents=True)
    before = sorted(folder.rglob("*"))
    assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, folder) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: tiny.yml: 2 problems\n")
    assert "datasets:train:batch_size_per_gup: unknown key; did you mean batch_size_per_gpu?" in error
    assert "Traceback" not in error
    assert sorted(folder.rglob("*")) == before


def test_only_the_first_process_says_what_is_wrong(folder, monkeypatch, capsys):
    write_options(folder, {**make_options(folder), "scal": 2})
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, said in (("1", False), ("0", True)):
        monkeypatch.setenv("RANK", rank)
        assert run_here(["train", "-opt", "tiny.yml", "--launcher", "pytorch"], monkeypatch, folder) == 2
        assert ("scal: unknown key" in capsys.readouterr().err) is said


def test_missing_option_file(folder, monkeypatch, capsys):
    assert run_here(["train", "-opt", "gone.yml"], monkeypatch, folder) == 2
    assert capsys.readouterr().err.startswith("error: gone.yml: there is no such option file")


def test_other_exceptions_keep_their_traceback(folder, monkeypatch):
    import basicsr.train

    def fail(opt):
        raise ZeroDivisionError("seven")

    monkeypatch.setattr(basicsr.train, "build_model", fail)
    write_options(folder, make_options(folder))
    with pytest.raises(ZeroDivisionError, match="seven"):
        run_here(["train", "-opt", "tiny.yml"], monkeypatch, folder)


def seen_by_pipeline(argv, monkeypatch, folder):
    """Options that the training loop gets."""
    import basicsr.train

    found = []
    monkeypatch.setattr(basicsr.train, "train_pipeline", lambda root: found.extend(basicsr.train.parse_options(root)))
    assert run_here(argv, monkeypatch, folder) == 0
    return found


def test_options_are_what_stock_makes_of_the_file(folder, monkeypatch):
    import basicsr.train

    write_options(folder, make_options(folder, val_freq=4))
    arguments = ["-opt", "tiny.yml", "--debug", "--auto_resume", "--local-rank=0"]
    ours, our_args = seen_by_pipeline(["train", *arguments], monkeypatch, folder)
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    stock, stock_args = basicsr.train.parse_options(str(folder))
    assert ours == stock
    assert ours["name"] == "debug_tiny" and ours["datasets"]["train"]["phase"] == "train"
    assert vars(our_args) == vars(stock_args)


def test_force_yml(folder, monkeypatch):
    write_options(folder, make_options(folder))
    argv = ["train", "-opt", "tiny.yml", "--force_yml", "train:optim_g:lr=1e-4", "train:scheduler:milestones=[1, 2]"]
    opt, _ = seen_by_pipeline(argv, monkeypatch, folder)
    assert opt["train"]["optim_g"]["lr"] == 1e-4
    assert opt["train"]["scheduler"]["milestones"] == [1, 2]


def test_force_yml_is_checked_too(folder, monkeypatch, capsys):
    write_options(folder, make_options(folder))
    assert run_here(["train", "-opt", "tiny.yml", "--force_yml", "scale=4"], monkeypatch, folder) == 2
    assert "the network enlarges x2, but scale: is 4" in capsys.readouterr().err


def test_text_of_an_error_from_a_worker_is_its_own(folder, monkeypatch, capsys):
    """torch wraps the message in the worker's traceback; a broken image in the middle of a run shows it."""
    write_options(folder, make_options(folder, workers=1))
    # the header is fine, the pixels are not
    for path in (folder / "LR").glob("*.png"):
        path.write_bytes(path.read_bytes()[:60])
    assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, folder) == 2
    error = capsys.readouterr().err
    assert "error: " in error and ".png" in error and "Traceback" not in error.split("error: ")[-1]


def test_num_gpu_1_without_a_gpu_runs_with_one_warning(folder, monkeypatch, caplog):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    write_options(folder, {**make_options(folder, iterations=2), "num_gpu": 1})
    with caplog.at_level(logging.WARNING):
        assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, folder) == 0
    warnings = [record.getMessage() for record in caplog.records if "num_gpu" in record.getMessage()]
    assert warnings == ["num_gpu: 1, but there is no GPU here: running on the CPU (num_gpu: 0)"]
    assert (folder / "experiments" / "tiny" / "models" / "net_g_latest.pth").is_file()


@pytest.mark.slow
def test_two_processes_train_like_one(folder, monkeypatch):
    write_options(folder, make_options(folder, iterations=8, batch=2))
    one = {**make_options(folder, iterations=8, batch=4), "name": "one"}
    write_options(folder, one, "one.yml")
    launcher = ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone")
    with start(["train", "-opt", "tiny.yml", "--launcher", "pytorch"], folder, launcher=launcher) as process:
        assert run_here(["train", "-opt", "one.yml"], monkeypatch, folder) == 0
        output = process.communicate()[0]
    assert process.returncode == 0, output
    two_losses, one_losses = losses(folder), losses(folder, "one")
    assert list(two_losses) == list(range(1, 9))
    assert two_losses == pytest.approx(one_losses, rel=1e-4)
    assert largest_difference(network(folder, "latest"), network(folder, "latest", "one")) < 1e-6
    assert output.count("Models, states and log") == 1
