"""Where measurements run: in processes of this machine, or on a Dask cluster. Both call the same
function.

A process may be killed (the machine has no memory left): what it measured is told as failed once
it has been tried a second time.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, cast

from lowbit.golden.parameters import Parameters

from ..errors import USER_ERRORS, CheckFailed, UsageError
from .metrics import MEASUREMENTS, Conditions, Figures

__all__ = ["Job", "Result", "Scheduler", "find_scheduler", "run_job"]


@dataclass(frozen=True)
class Job:
    """One measurement of one design."""

    p: Parameters
    name: str


@dataclass(frozen=True)
class Result:
    """Its figures, or why there are none."""

    job: Job
    figures: Figures | None
    failure: str = ""


def run_job(job: Job, conditions: Conditions) -> Result:
    """Measure. A failure is a result: one design must not end a sweep."""
    try:
        return Result(job, MEASUREMENTS[job.name].measure(job.p, conditions))
    except (*USER_ERRORS, CheckFailed) as error:
        return Result(job, None, " ".join(str(error).split()))
    except MemoryError:
        return Result(job, None, "not enough memory")
    except Exception as error:      # a defect: the rest of the sweep is worth having all the same
        return Result(job, None, f"{type(error).__name__}: {' '.join(str(error).split())}")


class Scheduler(ABC):
    """Runs jobs; results come in any order."""

    @abstractmethod
    def run(self, jobs: Sequence[Job]) -> Iterator[Result]:
        """All of them, those that come first in the list begun first."""

    @abstractmethod
    def close(self) -> None:
        """Nothing is left running."""


class Here(Scheduler):
    """This process: for what is done before another one has started."""

    def __init__(self, conditions: Conditions) -> None:
        self.conditions = conditions

    def run(self, jobs: Sequence[Job]) -> Iterator[Result]:
        for job in jobs:
            yield run_job(job, self.conditions)

    def close(self) -> None:
        pass


def _serve(connection: Connection, conditions: Conditions) -> None:
    """A process: jobs come and results go through ``connection``. The terminal's interrupts, and
    its lines, are not its own; it ends with its parent, however that ends."""
    sys.stderr = open(os.devnull, "w")      # noqa: SIM115 (open as long as the process is there)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),),
                     daemon=True).start()
    while True:
        connection.send(run_job(connection.recv(), conditions))


def _end_with(parent: BaseProcess | None) -> None:
    if parent is not None:
        parent.join()
        os._exit(1)


class Worker:
    """A process, and the job that it does. Nothing is shared with another one, so that one that is
    killed holds up nobody."""

    def __init__(self, conditions: Conditions) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, end = context.Pipe()
        self.process = context.Process(target=_serve, args=(end, conditions), daemon=True)
        self.process.start()
        end.close()
        self.job: Job | None = None

    def begin(self, job: Job) -> None:
        """Give it a job."""
        self.job = job
        with contextlib.suppress(OSError):      # it is gone: the result is that
            self.connection.send(job)

    def result(self) -> Result | None:
        """Of the job, once the connection has something to say; None: the process was killed."""
        try:
            found: Result = self.connection.recv()
        except (EOFError, OSError):
            return None
        self.job = None
        return found

    def end(self) -> None:
        """Stop it."""
        self.process.kill()
        self.process.join()
        self.connection.close()


class Local(Scheduler):
    """Processes of this machine, each with its own emission and its own synthesis."""

    def __init__(self, conditions: Conditions, workers: int) -> None:
        self.conditions, self.count = conditions, workers
        self.workers: list[Worker] = []

    def run(self, jobs: Sequence[Job]) -> Iterator[Result]:
        waiting, tried = list(reversed(jobs)), set[Job]()
        self.workers = [Worker(self.conditions) for _ in range(min(self.count, len(jobs)))]
        while waiting or any(worker.job for worker in self.workers):
            for worker in self.workers:
                if worker.job is None and waiting:
                    worker.begin(waiting.pop())
            busy = {worker.connection: worker for worker in self.workers if worker.job}
            for connection in wait(list(busy)):
                worker = busy[cast(Connection, connection)]
                job, result = worker.job, worker.result()
                assert job is not None
                if result is not None:
                    yield result
                    continue
                worker.end()
                self.workers[self.workers.index(worker)] = Worker(self.conditions)
                if job in tried:
                    yield Result(job, None, "the process was killed; is there enough memory?")
                else:
                    tried.add(job)
                    waiting.append(job)

    def close(self) -> None:
        for worker in self.workers:
            worker.end()


class Cluster(Scheduler):
    """A Dask cluster. What ran on a worker that is lost runs again on another."""

    def __init__(self, conditions: Conditions, address: str, workers: int | None = None) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise UsageError("--scheduler needs Dask: pip install lowbit[dask]") from None
        try:
            self.client = Client(address, timeout="10s")
        except (OSError, ValueError) as error:
            raise UsageError(f"--scheduler {address} does not answer ({_line(error)}); start one "
                             "with dask scheduler, and workers with dask worker") from None
        try:
            self.client.wait_for_workers(workers or 1, timeout=60)
        except TimeoutError:
            self.client.close()
            raise UsageError(f"--scheduler {address} has no {workers or 1} workers; start them "
                             "with dask worker") from None
        self.conditions: Any = self.client.scatter(conditions, broadcast=False, hash=True)

    def run(self, jobs: Sequence[Job]) -> Iterator[Result]:
        from distributed import as_completed

        futures = {self.client.submit(run_job, job, self.conditions, pure=False,
                                      priority=-i): job for i, job in enumerate(jobs)}
        for done in as_completed(list(futures)):
            job = futures.pop(done)
            error = done.exception()
            yield Result(job, None, _line(error)) if error is not None else done.result()
            done.release()

    def close(self) -> None:
        self.client.close()


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]


def find_scheduler(conditions: Conditions, address: str | None, workers: int | None) -> Scheduler:
    """The cluster at ``address``; without one processes of this machine, as many as it has cores
    unless said."""
    if address is not None:
        return Cluster(conditions, address, workers)
    return Local(conditions, workers or os.cpu_count() or 1)
