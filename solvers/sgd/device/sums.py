"""Sums over the threads of a block."""

from __future__ import annotations

from typing import Any

from numba import cuda

from .memory import SIMULATED, read, write
from .shape import WARP

MOST_WARPS, FEW_WARPS = 32, 1 if SIMULATED else 4
"""Of a thread block; those whose sums each thread adds up by itself."""
SUMS = 2 * MOST_WARPS
ALL_LANES = 0xFFFFFFFF


@cuda.jit(device=True)
def _exchanged(value: Any, offset: Any, scratch: Any) -> Any:
    """The value of the thread whose number differs in one bit."""
    if SIMULATED:
        place = cuda.threadIdx.x
        scratch[place] = value
        cuda.syncthreads()
        other = scratch[place ^ offset]
        cuda.syncthreads()
        return other
    return cuda.shfl_xor_sync(ALL_LANES, value, offset)


@cuda.jit(device=True)
def _warp_sum(value: Any, scratch: Any) -> Any:
    offset = WARP // 2
    while offset > 0:
        value += _exchanged(value, offset, scratch)
        offset //= 2
    return value


def block_sum_of(warps: int) -> Any:
    def block_sum(value: Any, sums: Any, turn: Any, scratch: Any) -> Any:
        """The sum over all threads, the same bits in every one of them; `turn` alternates between 0 and 1."""
        value, place, zero = _warp_sum(value, scratch), turn * MOST_WARPS, value - value
        if cuda.threadIdx.x % WARP == 0:
            write(sums, place + cuda.threadIdx.x // WARP, value)
        cuda.syncthreads()
        if warps > FEW_WARPS and warps <= WARP:
            lane = cuda.threadIdx.x % WARP
            return _warp_sum(read(sums, place + lane) if lane < warps else zero, scratch)
        total = read(sums, place)
        for warp in range(1, warps):
            total += read(sums, place + warp)
        return total

    return cuda.jit(device=True)(block_sum)
