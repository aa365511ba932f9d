"""The worker's tests run under the worker's own Python: `make test-worker`."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("torch") is None:
    pytest.exit("tests/worker needs torch: run `make test-worker`, which makes an environment for it.", returncode=2)


@pytest.fixture(scope="session")
def weights() -> Path:
    """The folder with vgg_normalized.pth and decoder.pth."""
    folder = os.environ.get("SYNGEN_TEST_WEIGHTS")
    if not folder:
        pytest.skip("SYNGEN_TEST_WEIGHTS is not set")
    return Path(folder)
