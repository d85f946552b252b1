import pytest
import torch

import segsr_arch  # noqa: F401  (basicsr cannot be imported before it)
from tests.compat.helpers import stock_module

# After an error, torch waits that many seconds for each worker to end; the default of 5 makes the tests slow.
torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL = 0.2


@pytest.fixture
def stock():
    """Function that loads a fresh copy of a module of BasicSR, without repairs."""
    return stock_module
