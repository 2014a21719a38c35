"""Which run a log, and a new run, belong to: threads, tasks, faults at the beginning and at the end."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import nbmlops as nb
from nbmlops.errors import Invalid
from nbmlops.tracking import session


def test_runs_of_a_pool_are_nobodys_children(project):
    def work(number):
        with nb.run(f"pool-{number}"):
            nb.log(number=number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(20)))
    assert len(nb.runs(limit=None)) == 20


def test_runs_of_tasks_are_nobodys_children(project):
    async def work(number):
        with nb.run(f"task-{number}"):
            await asyncio.sleep(0)
            nb.log(number=number)

    async def main():
        await asyncio.gather(*(work(n) for n in range(3)))

    asyncio.run(main())
    assert nb.runs(sort="number")["metrics.number"].tolist() == [0, 1, 2]


def test_what_a_worker_of_a_run_logs_is_the_runs(project):
    with nb.run("main"):
        thread = threading.Thread(target=lambda: nb.log(loss=1.0))
        thread.start()
        thread.join()
    assert nb.get_run("main").metrics == {"loss": 1.0}


def test_a_worker_of_a_thread_does_not_log_into_another_threads_run(project):
    found = []
    both = threading.Barrier(2)

    def inner():
        try:
            nb.log(loss=1.0)
        except Invalid as error:
            found.append(str(error))

    def outer(name, logs):
        with nb.run(name):
            both.wait()
            if logs:
                worker = threading.Thread(target=inner)
                worker.start()
                worker.join()
            both.wait()

    threads = [threading.Thread(target=outer, args=words) for words in (("A", True), ("B", False))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "No run is open" in found[0]
    assert nb.get_run("B").metrics == {}


def test_a_run_that_cannot_begin_is_failed_and_takes_nothing_in(project):
    with pytest.raises(AttributeError), nb.run("first", tags=["a"]):
        pass
    with pytest.raises(Invalid, match="No run is open"):
        nb.log(loss=1.0)
    assert nb.get_run("first").status == "failed"


def test_an_exception_that_cannot_say_what_it_is_stays_the_users(project):
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError

    with pytest.raises(Odd), nb.run("odd"):
        raise Odd
    run = nb.get_run("odd")
    assert run.status == "failed"
    assert "RuntimeError" in run.error["message"]
    assert session.current() is None
