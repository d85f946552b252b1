import pytest

from tests.compat.helpers import make_pairs, paired_options, run_python

pytestmark = pytest.mark.slow

SCRIPT = """\
import segsr_arch
import torch
from basicsr.data.paired_image_dataset import PairedImageDataset

if __name__ == "__main__":
    torch.multiprocessing.set_start_method("{method}")
    dataset = PairedImageDataset({options!r})
    dataset[0]
    for batch in torch.utils.data.DataLoader(dataset, batch_size=2, num_workers=1):
        print(tuple(batch["gt"].shape))
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_of_a_script_that_imports_the_package_first(tmp_path, method):
    options = paired_options(*make_pairs(tmp_path, 2))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(method=method, options=options))
    process = run_python(script, cwd=tmp_path)
    assert process.stdout == "(2, 3, 16, 16)\n", process.stderr


def test_workers_without_a_script(tmp_path):
    options = paired_options(*make_pairs(tmp_path, 2))
    source = SCRIPT.format(method="spawn", options=options)
    process = run_python("-c", source, cwd=tmp_path)
    assert process.stdout == "(2, 3, 16, 16)\n", process.stderr
