import torch
from torchvision.transforms.functional import rgb_to_grayscale

from tests.compat.helpers import run_python


def test_stock_basicsr_does_not_import(tmp_path):
    process = run_python("-c", "import basicsr", cwd=tmp_path)
    assert "No module named 'torchvision.transforms.functional_tensor'" in process.stderr


def test_repaired_basicsr_has_the_same_function():
    from basicsr.data.degradations import rgb_to_grayscale as used

    image = torch.rand(1, 3, 4, 4)
    assert torch.equal(used(image), rgb_to_grayscale(image))
