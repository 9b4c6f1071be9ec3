"""Several threads: what the guard changes in the process, and the random numbers that others draw meanwhile."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from torch import nn

from lightning_seqfit.probe.guard import INCOMPLETE, leave_untouched, one_blas_thread
from lightning_seqfit.probe.guard.threads import others_may_draw

CPU = torch.device("cpu")

DRAWS: dict[str, Callable[[], float]] = {
    "numpy's uniform": lambda: float(np.random.rand()),
    "numpy's normal": lambda: float(np.random.normal()),
    "numpy's shuffle": lambda: float(np.random.permutation(99)[0]),
    "python": lambda: random.random(),
    "python's choice": lambda: float(random.choice(range(1000))),
    "torch": lambda: torch.rand(()).item(),
    "torch in place": lambda: torch.empty(()).normal_().item(),
}


@contextmanager
def another_thread() -> Iterator[Callable[[Callable[[], float]], float]]:
    """A thread that runs what it is given, one call after another, while this one waits."""
    asked, done = threading.Semaphore(0), threading.Semaphore(0)
    box: list[Any] = []

    def work() -> None:
        while asked.acquire() and box[0] is not None:
            box.append(box[0]())
            done.release()

    def run(task: Callable[[], float]) -> float:
        box[:] = [task]
        asked.release()
        done.acquire()
        return float(box[1])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield run
    finally:
        box[:] = [None]
        asked.release()
        thread.join()


def seed() -> None:
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)


@pytest.mark.parametrize("name", DRAWS)
def test_numbers_that_another_thread_draws_meanwhile_are_not_drawn_again(name: str) -> None:
    draw = DRAWS[name]
    seed()
    expected = [draw() for _ in range(6)]
    seed()
    with another_thread() as run:
        got = [run(draw)]
        with leave_untouched(nn.Module(), CPU) as shared:
            got += [run(draw), run(draw)]
        got += [run(draw)]
        with leave_untouched(nn.Module(), CPU):
            got += [run(draw)]
        got += [run(draw)]
    assert got == expected
    assert shared == []


@pytest.mark.parametrize("name", DRAWS)
def test_numbers_that_the_evaluation_draws_are_put_back_also_beside_other_threads(name: str) -> None:
    draw = DRAWS[name]
    seed()
    expected = [draw() for _ in range(3)]
    seed()
    with another_thread() as run:
        got = [run(draw)]
        with leave_untouched(nn.Module(), CPU):
            draw()
        got += [run(draw), draw()]
    assert got == expected


def test_numbers_that_another_thread_draws_by_names_of_its_own_are_not_drawn_again() -> None:
    uniform, shuffled = np.random.rand, random.random  # as from numpy.random import rand
    seed()
    expected = [(uniform(), shuffled()) for _ in range(4)]
    seed()
    with another_thread() as run, leave_untouched(nn.Module(), CPU):
        got = [(run(uniform), run(shuffled)) for _ in range(2)]
    got += [(uniform(), shuffled()) for _ in range(2)]
    assert got == expected


def test_a_pool_whose_threads_wait_for_work_is_no_other_thread() -> None:
    module = nn.Module()
    module.recent = deque([1.0])
    begun, done = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(begun.set).result()
        while others_may_draw():  # until it waits
            time.sleep(0.001)
        with leave_untouched(module, CPU) as notes:
            module.recent.append(2.0)
        assert list(module.recent) == [1.0]
        assert INCOMPLETE not in notes
        begun.clear()
        pool.submit(lambda: (begun.set(), done.wait()))
        begun.wait()
        assert others_may_draw()
        done.set()


def test_what_another_thread_puts_into_a_deque_of_the_module_stays_there() -> None:
    module = nn.Module()
    module.waiting = deque([1.0])
    with another_thread() as run, leave_untouched(module, CPU):
        run(lambda: module.waiting.append(2.0) or 0.0)
    assert list(module.waiting) == [1.0, 2.0]


@pytest.mark.parametrize(
    "seeds",
    [
        lambda: random.seed(5),
        lambda: np.random.seed(5),
        lambda: torch.manual_seed(5),
        lambda: torch.random.manual_seed(5),
        lambda: torch.set_rng_state(torch.Generator().manual_seed(3).get_state()),
    ],
)
def test_a_generator_that_the_evaluation_seeds_is_put_back_also_beside_other_threads(
    seeds: Callable[[], Any],
) -> None:
    seed()
    expected = [random.random(), np.random.rand(), torch.rand(()).item()]
    seed()
    with another_thread(), leave_untouched(nn.Module(), CPU):
        seeds()
    assert [random.random(), np.random.rand(), torch.rand(()).item()] == expected


def test_another_generators_draws_of_the_evaluation_are_put_back_beside_a_thread_that_draws() -> None:
    seed()
    expected = [random.random(), np.random.rand(), torch.rand(()).item()]
    seed()
    with another_thread() as run, leave_untouched(nn.Module(), CPU):
        run(DRAWS["numpy's uniform"])
        random.random()
        torch.rand(5)
    assert [random.random(), torch.rand(()).item()] == [expected[0], expected[2]]


def test_a_generator_that_both_draw_from_is_named() -> None:
    with another_thread() as run, leave_untouched(nn.Module(), CPU) as shared:
        run(DRAWS["numpy's normal"])
        np.random.rand()
        run(DRAWS["python"])
    (note,) = shared
    assert note.endswith("drew from the global generator of numpy")


def test_the_functions_that_draw_are_themselves_again_afterwards() -> None:
    before = {name: getattr(np.random, name) for name in ("rand", "normal", "seed")} | {"random": random.random}
    with another_thread(), leave_untouched(nn.Module(), CPU):
        assert np.random.rand is not before["rand"]
    assert {name: getattr(np.random, name) for name in ("rand", "normal", "seed")} | {"random": random.random} == before


def stance() -> str:
    return str(torch._dynamo.eval_frame._stance.stance)


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def overlapping(enter: Callable[[], Any], inside: Callable[[], None]) -> None:
    """Three threads that are in a context at once and leave it in the order in which they came."""
    barrier = threading.Barrier(3)
    turns = [threading.Event() for _ in range(4)]
    turns[0].set()

    def work(number: int) -> None:
        with enter():
            barrier.wait()
            inside()
            turns[number].wait()
        turns[number + 1].set()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_stance_of_the_compiler_is_put_back_by_the_last_of_several_threads() -> None:
    before, seen = stance(), []
    overlapping(lambda: leave_untouched(nn.Linear(1, 1), CPU), lambda: seen.append(stance()))
    assert seen == ["force_eager"] * 3
    assert stance() == before == "default"


def test_the_threads_of_blas_are_put_back_by_the_last_of_several_threads() -> None:
    limited: list[int] = []
    with threadpool_limits(2, "blas"):
        overlapping(lambda: threadpool_limits(1, "blas"), lambda: limited.extend(blas_threads()))
    if set(limited) != {1}:
        pytest.skip("the BLAS of this process takes no limit from a thread that is not the main one")
    with threadpool_limits(2, "blas"):
        before, seen = blas_threads(), []
        overlapping(lambda: one_blas_thread, lambda: seen.append(blas_threads()))
        assert all(threads == [1] * len(before) for threads in seen)
        assert blas_threads() == before


def test_an_exception_leaves_the_process_as_it_was() -> None:
    before = stance(), blas_threads()
    with pytest.raises(KeyError), one_blas_thread, leave_untouched(nn.Linear(1, 1), CPU):
        raise KeyError
    assert (stance(), blas_threads()) == before
