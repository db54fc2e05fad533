"""A graphics processor through CuPy, or numba's simulator of one through NumPy: arrays, products, launches."""

from __future__ import annotations

import importlib.util
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import cuda

from ...arrays import Array
from .memory import SIMULATED

EXTRA = "mfpde[cuda]"
STATIC_BYTES = 4096
"""Of shared memory that kernels take beside what they are launched with, at most."""
SIMULATED_BYTES = 2**16

Kernel = tuple[Callable[..., None], tuple[Any, ...]]
"""A function of pointers and numbers, and the types of its arguments."""
Launch = Callable[..., None]
"""What is called with a number of thread blocks and arguments."""


class Processor(ABC):
    """Memory of its own, and what runs there, in the order in which it is asked for."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called."""

    @property
    @abstractmethod
    def shared_bytes(self) -> int:
        """Shared memory that a thread block may have."""

    @abstractmethod
    def put(self, values: Any, kind: Any) -> Any:
        """A copy of an array there."""

    @abstractmethod
    def empty(self, shape: tuple[int, ...], kind: Any) -> Any:
        """An array there."""

    @abstractmethod
    def get(self, array: Any) -> Array:
        """A copy here, once all before is done."""

    @abstractmethod
    def finish(self) -> None:
        """Wait for all that was asked for."""

    @abstractmethod
    def prepared(self, kernel: Kernel, threads: int, resident: int, shared: int) -> Launch:
        """What launches a kernel in blocks of threads with shared memory, `resident` of which fit a multiprocessor."""

    @abstractmethod
    def overlaps(self, s: Any, w: Any, x: Any, begin: int, count: int) -> None:
        """S = X W^T for `count` rows of x, shape (replicas, per_replica, d), from `begin`; s: (replicas, rows, N)."""

    @abstractmethod
    def grams(self, g: Any, x: Any) -> None:
        """G = X X^T of all blocks, g of shape (replicas, blocks, rows, rows), x (replicas, blocks rows, d)."""

    @abstractmethod
    def update(self, w: Any, c: Any, x: Any, begin: int, count: int, product: float) -> None:
        """W <- P (W + C^T X)."""


class Simulated(Processor):
    """numba's simulator: slow, on any machine."""

    name = "simulated"
    shared_bytes = SIMULATED_BYTES

    def put(self, values: Any, kind: Any) -> Any:
        return np.array(values, dtype=kind)

    def empty(self, shape: tuple[int, ...], kind: Any) -> Any:
        return np.full(shape, np.nan if np.dtype(kind).kind == "f" else -7, dtype=kind)

    def get(self, array: Any) -> Array:
        return np.array(array, dtype=np.float64 if array.dtype.kind == "f" else array.dtype)

    def finish(self) -> None:
        pass

    def prepared(self, kernel: Kernel, threads: int, resident: int, shared: int) -> Launch:
        compiled = cuda.jit(kernel[0])

        def launch(blocks: int, *arguments: Any) -> None:
            flat = [part.reshape(-1) if isinstance(part, np.ndarray) else part for part in arguments]
            compiled[blocks, threads, 0, shared](*flat)

        return launch

    def overlaps(self, s: Any, w: Any, x: Any, begin: int, count: int) -> None:
        s[:, :count] = x[:, begin : begin + count] @ w.transpose(0, 2, 1)

    def grams(self, g: Any, x: Any) -> None:
        parts = x.reshape(*g.shape[:3], -1)
        g[:] = parts @ parts.transpose(0, 1, 3, 2)

    def update(self, w: Any, c: Any, x: Any, begin: int, count: int, product: float) -> None:
        w[:] = product * (w + c[:, :count].transpose(0, 2, 1) @ x[:, begin : begin + count])


class Cuda(Processor):
    """A processor of NVIDIA's through CuPy: cuBLAS's batched products, and kernels that numba translates."""

    def __init__(self) -> None:
        import cupy
        from cupy_backends.cuda.libs import cublas

        self._cupy, self._cublas = cupy, cublas
        self._device = cupy.cuda.Device()
        self._prepared: dict[Any, Launch] = {}

    @property
    def name(self) -> str:
        return str(self._cupy.cuda.runtime.getDeviceProperties(self._device.id)["name"].decode())

    @property
    def shared_bytes(self) -> int:
        return int(self._device.attributes["MaxSharedMemoryPerBlockOptin"]) - STATIC_BYTES

    def put(self, values: Any, kind: Any) -> Any:
        return self._cupy.asarray(np.ascontiguousarray(values, dtype=kind))

    def empty(self, shape: tuple[int, ...], kind: Any) -> Any:
        return self._cupy.empty(shape, kind)

    def get(self, array: Any) -> Array:
        found = self._cupy.asnumpy(array)
        return np.asarray(found, dtype=np.float64) if found.dtype.kind == "f" else found

    def finish(self) -> None:
        self._cupy.cuda.get_current_stream().synchronize()

    def prepared(self, kernel: Kernel, threads: int, resident: int, shared: int) -> Launch:
        key = (kernel[0], threads, resident, shared)
        if key not in self._prepared:
            self._prepared[key] = self._translated(kernel, threads, resident, shared)
        return self._prepared[key]

    def _translated(self, kernel: Kernel, threads: int, resident: int, shared: int) -> Launch:
        capability = self._device.compute_capability
        major, minor = int(capability[:-1]), int(capability[-1])
        text, _ = cuda.compile_ptx(*kernel, cc=(major, minor), launch_bounds=(threads, resident))
        entry = re.search(r"\.visible\s+\.entry\s+([^\s(]+)", text)
        assert entry is not None, "a kernel has an entry"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "kernel.ptx"
            path.write_text(text)
            compiled = self._cupy.RawModule(path=str(path)).get_function(entry[1])
            compiled.max_dynamic_shared_size_bytes = shared

        def launch(blocks: int, *arguments: Any) -> None:
            compiled((blocks,), (threads,), arguments, shared_mem=shared)

        return launch

    def overlaps(self, s: Any, w: Any, x: Any, begin: int, count: int) -> None:
        neurons, dimension = w.shape[1:]
        sizes = (neurons, count, dimension)
        self._multiply(True, False, sizes, 1.0, (w, 0, dimension), (x, begin, dimension), 0.0, (s, 0, neurons))

    def grams(self, g: Any, x: Any) -> None:
        rows, dimension = g.shape[3], x.shape[2]
        blocks, parts = g.reshape(-1, rows, rows), x.reshape(-1, rows, dimension)
        sizes, part = (rows, rows, dimension), (parts, 0, dimension)
        self._multiply(True, False, sizes, 1.0, part, part, 0.0, (blocks, 0, rows))

    def update(self, w: Any, c: Any, x: Any, begin: int, count: int, product: float) -> None:
        neurons, dimension = w.shape[1:]
        sizes = (dimension, neurons, count)
        self._multiply(False, True, sizes, product, (x, begin, dimension), (c, 0, neurons), product, (w, 0, dimension))

    def _multiply(
        self, turn_a: bool, turn_b: bool, sizes: tuple[int, int, int], alpha: float, a: Any, b: Any, beta: float, c: Any
    ) -> None:
        """c <- alpha op(a) op(b) + beta c for each replica, as `blas.multiply`; a and b: array, first row, length."""
        kind = a[0].dtype
        gemm = self._cublas.dgemmStridedBatched if kind == np.float64 else self._cublas.sgemmStridedBatched
        factors = np.array([alpha, beta], dtype=kind)
        operations = [self._cublas.CUBLAS_OP_T if turn else self._cublas.CUBLAS_OP_N for turn in (turn_a, turn_b)]
        parts = [
            (array.data.ptr + begin * length * kind.itemsize, length, array.size // len(array))
            for array, begin, length in (a, b)
        ]
        place = factors.ctypes.data
        gemm(
            self._device.cublas_handle, *operations, *sizes, place, *parts[0], *parts[1],
            place + kind.itemsize, c[0].data.ptr, c[2], c[0].size // len(c[0]), len(c[0]),
        )  # fmt: skip


def missing() -> str:
    """Why there is no processor to use here, and what to do; empty where there is one."""
    if SIMULATED:
        return ""
    lacking = [name for name in ("cupy", "numba_cuda") if importlib.util.find_spec(name) is None]
    if lacking:
        return f"it needs {' and '.join(name.replace('_', '-') for name in lacking)}; install {EXTRA}"
    if not cuda.is_available():
        return "no processor of NVIDIA's with its driver is found on this machine"
    return ""


@cache
def processor() -> Processor:
    """The one that is there; raises RuntimeError with the remedy if there is none."""
    words = missing()
    if words:
        raise RuntimeError(words)
    return Simulated() if SIMULATED else Cuda()
