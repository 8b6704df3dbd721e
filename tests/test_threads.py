"""Jobs side by side: order, errors, and torch's own threads left as they were."""

import multiprocessing

import pytest
import torch

from glitchvae.threads import run

CPU = torch.device("cpu")


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_keep_the_order_of_the_jobs(threads):
    assert run(lambda n: n * n, range(50), CPU) == [n * n for n in range(50)]
    assert torch.get_num_threads() == threads


def test_each_thread_keeps_torch_to_one_core(threads):
    assert set(run(lambda _: torch.get_num_threads(), range(8), CPU)) == {1}


def test_an_error_reaches_the_caller(threads):
    with pytest.raises(ZeroDivisionError):
        run(lambda n: 1 // n, [1, 0], CPU)


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork"
)
def test_a_forked_process_makes_its_own_threads(threads):
    run(abs, [1, -2], CPU)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=lambda: answers.put(run(abs, [-3, 4], CPU)))
    child.start()
    assert answers.get(timeout=20) == [3, 4]
    child.join()
