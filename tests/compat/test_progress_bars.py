import re

from tests.cli.runs import make_options, make_pairs, run_here, write_options


def test_a_stock_validation_leaves_one_line_in_a_log(tmp_path, monkeypatch, capsys):
    make_pairs(tmp_path, count=5)
    opt = make_options(tmp_path, iterations=2, val_freq=2)
    opt["val"]["pbar"] = True
    write_options(tmp_path, opt)
    assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, tmp_path) == 0
    error = capsys.readouterr().err
    assert len(re.findall(r"^Test \d+: 100% 5/5 \[", error, re.M)) == 2 and "\r" not in error
