"""Where independent runs are computed: here, in processes of this machine, or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from multiprocessing import current_process
from typing import Any

from mfpde.errors import ConfigurationError
from mfpde.shell.processes import ProcessExecutor
from mfpde.solvers.threads.processors import processors

Workers = int | Executor
"""A number of processes of this machine, or an executor of the caller's."""


class InlineExecutor(Executor):
    """Computes each task when it is submitted, in this process."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """A future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


def number_of(workers: Workers | None, tasks: int) -> Workers:
    """At most one process per task; by default also at most one per processor; a process of ours starts none itself."""
    if isinstance(workers, Executor):
        return workers
    if current_process().daemon:
        return 1
    return max(1, min(tasks, processors() if workers is None else workers))


def sendable(task: object) -> bool:
    """Whether something can be sent to another process: what was made in Python of functions without a name cannot."""
    import pickle

    try:
        pickle.dumps(task)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


@contextmanager
def executor(workers: Workers, scheduler: str | None = None) -> Iterator[Executor]:
    """An executor of independent tasks; processes of this machine end at once when the block is left by an exception.

    Args:
        workers: processes of this machine, each with one thread, 1 computes in this process; or an executor, which
            stays open.
        scheduler: address of a dask scheduler ("tcp://host:port"), whose workers then take the tasks.

    Raises:
        ConfigurationError: the scheduler cannot be reached, or dask is not installed.
    """
    if scheduler is not None:
        with _cluster(scheduler) as remote:
            yield remote
    elif isinstance(workers, Executor):
        yield workers
    elif workers == 1:
        yield InlineExecutor()
    else:
        pool = ProcessExecutor(workers)
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError:
        message = "--scheduler: needs dask.distributed; run pip install 'mfpde[cluster]'"
        raise ConfigurationError([message]) from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        message = f"--scheduler {address}: no scheduler answers ({error}); start one with `dask scheduler`"
        raise ConfigurationError([message]) from None
    try:
        # a lost worker's tasks are computed again by another
        yield client.get_executor(pure=False, retries=3)
    finally:
        client.close()
