"""``benchmarks/backends.py``: every backend that is there has a row; times of a tiny network say nothing."""

import pytest

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

import backends


def test_every_backend_is_measured_and_compared(capsys):
    assert (
        backends.main(["--networks", "edsr-tiny", "--rounds", "3", "--tile", "9", "--batch", "2", "--threads", "1"])
        == 0
    )
    first, _, _, _, *rows = capsys.readouterr().out.splitlines()
    assert "1 threads, 2 x 9 x 9 pixels, 3 rounds, torch " in first
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[1] for row in cells] == ["torch", backends.BF16, "onnxruntime", "openvino"]
    assert cells[0][3].startswith("1.00") and float(cells[0][6]) == 0
    assert 1e-5 < float(cells[1][6]) < 0.1 and all(float(row[6]) < 1e-4 for row in cells[2:])
