"""Matrix products from compiled loops: the dgemm and sgemm that scipy links to, called by address, on one thread.

A call from numba costs tens of nanoseconds and takes sub-blocks of larger arrays, which np.dot does not.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import numba
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic
from scipy.linalg import cython_blas

DGEMM: int = get_cython_function_address("scipy.linalg.cython_blas", "dgemm")
SGEMM: int = get_cython_function_address("scipy.linalg.cython_blas", "sgemm")
"""Addresses of the Fortran routines: an argument of the kernels, so that they can be cached."""

_NAMES = ("scipy_openblas_{}_num_threads", "openblas_{}_num_threads", "MKL_{}_Num_Threads", "bli_thread_{}_num_threads")


@intrinsic
def _call_gemm(
    typing_context: Any, address: Any, transpose_a: Any, transpose_b: Any, m: Any, n: Any, k: Any, alpha: Any,
    a: Any, lda: Any, b: Any, ldb: Any, beta: Any, c: Any, ldc: Any,
) -> Any:  # fmt: skip
    """Fortran's xGEMM(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) at `address`.

    alpha and beta are brought to the type of the matrices.
    """
    arguments = (address, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
    signature = types.void(*arguments)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        def by_reference(value: Any, kind: Any) -> Any:
            slot = cgutils.alloca_once(builder, kind)
            builder.store(value, slot)
            return slot

        character, integer = ir.IntType(8), ir.IntType(32)
        pointers = []
        for position, (kind, value) in enumerate(zip(signature.args[1:], values[1:], strict=True)):
            if isinstance(kind, types.Array):
                pointers.append(context.make_array(kind)(context, builder, value).data)
            elif position < 2:
                letter = builder.select(
                    cgutils.is_true(builder, value), ir.Constant(character, ord("T")), ir.Constant(character, ord("N"))
                )
                pointers.append(by_reference(letter, character))
            elif isinstance(kind, types.Float):
                scalar = context.cast(builder, value, kind, signature.args[7].dtype)
                pointers.append(by_reference(scalar, scalar.type))
            else:
                word = value if value.type.width == 32 else builder.trunc(value, integer)
                pointers.append(by_reference(word, integer))
        function = ir.FunctionType(ir.VoidType(), [pointer.type for pointer in pointers])
        builder.call(builder.inttoptr(values[0], function.as_pointer()), pointers)
        return context.get_dummy_value()

    return signature, generate


@numba.njit(cache=True, nogil=True, error_model="numpy")
def multiply(
    gemm: int, transpose_a: bool, transpose_b: bool, m: int, n: int, k: int, alpha: float,
    a: Any, lda: int, b: Any, ldb: int, beta: float, c: Any, ldc: int,
) -> None:  # fmt: skip
    """c <- alpha op(a) op(b) + beta c on column-major matrices, op(a) of shape (m, k), op(b) (k, n), c (m, n).

    A row-major matrix of shape (p, q) is the column-major (q, p) with leading dimension q. The arrays only give where
    the data starts, and are all of the type of the routine, float64 or float32; nothing is checked.
    """
    _call_gemm(gemm, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)


@cache
def _thread_functions() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """The getter and setter of the number of threads of the library behind scipy's BLAS, where it has known names."""
    with suppress(OSError):
        library = ctypes.CDLL(cython_blas.__file__)
        for name in _NAMES:
            with suppress(AttributeError):
                getter = name.format("Get" if "MKL" in name else "get").replace("Get_Num", "Get_Max")
                return getattr(library, getter), getattr(library, name.format("Set" if "MKL" in name else "set"))
    return None


class _Holders:
    """How many contexts keep BLAS on one thread, and the number of threads to return to."""

    lock = threading.Lock()
    count = 0
    before = 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Run BLAS on one thread: the fastest for these sizes, and what makes its rounding reproducible.

    The setting is the process's: it is restored when the last of the threads inside leaves. Where the library is
    unknown this does nothing, and its own environment variable decides.
    """
    functions = _thread_functions()
    if functions is None:
        yield
        return
    getter, setter = functions
    with _Holders.lock:
        if _Holders.count == 0:
            _Holders.before = getter()
            setter(1)
        _Holders.count += 1
    try:
        yield
    finally:
        with _Holders.lock:
            _Holders.count -= 1
            if _Holders.count == 0:
                setter(_Holders.before)
