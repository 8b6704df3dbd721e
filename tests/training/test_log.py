"""The log of a run: columns by name, KL of dimensions in the order of their numbers."""

import numpy as np
import pytest

from glitchvae.errors import InputError
from glitchvae.training.log import dimension_kl, read_log


def test_dimensions_are_ordered_by_number_not_by_text():
    log = {f"kl_{i}": np.array([float(i)]) for i in (10, 2, 1)}
    assert dimension_kl(log).tolist() == [[1.0, 2.0, 10.0]]


def test_a_log_without_dimensions_says_how_they_are_called(tmp_path):
    (tmp_path / "log.csv").write_text("step,loss,kl_top\n1,2,3\n")
    with pytest.raises(InputError, match=r"run-1: the log has no KL .* columns kl_1, kl_2"):
        dimension_kl(read_log(tmp_path), "run-1")
