"""Benchmarks are scripts that may have modules beside them; their folder is on the path, as when one is run."""

import sys

from tests.support import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
