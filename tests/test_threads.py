"""Jobs side by side: order, errors, and torch's own threads left as they were."""

import multiprocessing

import pytest
import torch

from glitchvae.threads import ahead, run

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


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_work_ahead_keeps_the_order_and_its_distance(workers):
    begun = []

    def work(n):
        begun.append(n)
        return n * n

    results = ahead(work, range(20), workers)
    for n, result in enumerate(results):
        assert result == n * n
        assert max(begun) < n + max(workers, 1)


def test_an_error_ahead_comes_in_its_place():
    results = ahead(lambda n: 1 // (n - 2), range(4), 2)
    assert [next(results), next(results)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)


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
