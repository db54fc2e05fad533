"""Actual neurons of a committee: the equations of Saad and Solla, in their variables, by scipy and by another package.

D. Saad, S. A. Solla, "On-line learning in soft committee machines", Phys. Rev. E 52 (1995) 4225: sums of N units
g(x) = erf(x / sqrt 2) on both sides, steps of eta / d, the clock eta alpha = eta P / d, eta -> 0. Neither shares
anything with the program but the problem. The package is S. Goldt's (NeurIPS 2019, arXiv:1906.08632), which takes
Euler's steps: twice as many of half the length take the first order of their error away. With J = sqrt 2 w,
B = sqrt 2 u,

    Q_there = 2 Q,   R_there = 2 r,   T_there = 2 Id,   eta alpha = (2 / N) t,   R here = (2 / N^2) epsilon_g.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp

from mfpde.configuration.parsing import parse
from mfpde.configuration.sources import load_configuration
from mfpde.results.answers.solve import SolveResult
from mfpde.solvers.arrays import Array
from validation.bench.peers import PeerMissing, Peers
from validation.rows import CHARACTERISTICS, Row, check, within_estimate
from validation.workbench import Workbench, at

TIMES = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0)
DIMENSION = 10
ODE_ERROR = 1e-11
PACKAGES, PACKAGE = ("cython", "numpy", "scipy", "setuptools", "wheel"), "git+https://github.com/sgoldt/pyscm@710880b"
PEERS = Path("out") / "peers"
EULER, EULER_ERROR = 2e-3, 5e-8
"""Length of a step of the package, and what two lengths leave of its R."""
SCRIPT = """
import json, sys
import numpy as np
from scm.ode.scm_ode_erf import propagate
given = json.loads(sys.argv[1])
RATE = 1e-9
def walked(step):
    q, r, t = (np.array(given[name]) for name in "qrt")
    for span in given["spans"]:
        count = round(span / step)
        _, q, r = propagate((count - 0.5) * step / RATE, step / RATE, len(q) + len(t), 0.0, q, r, t, RATE, 0.0, 0.0, 0)
        yield [np.array(q).tolist(), np.array(r).tolist()]
print(json.dumps([list(walked(given["step"])), list(walked(0.5 * given["step"]))]))
"""
OF_LAW, LAW_ERROR, LAW_TOLERANCE = {10.0: 0.012372643265, 20.0: 0.007943543685, 30.0: 0.004338292293}, 2e-8, 1e-5
"""R of committee-erf as a law: 1296 atoms on panels of w1 + w2, |w1 - w2| and w_perp, the unit by its Hermite series at
44^2 nodes of <u, x>, steps of order 8 at 1e-8, none of it the program's; and what the program is asked for."""


@check("committee-saad-solla", ("particles",), quick=("particles",))
def saad_solla(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Two and three neurons, as many teachers of weight 1/N, from the plateau to specialisation."""
    for count in (2, 3):
        start = _start(count)
        run = _followed(bench, scheme, start)
        risks, overlaps = _independent(start)
        for row, time in enumerate(TIMES):
            quantity = f"committee N = {count} R(t = {time:g})"
            yield Row(quantity, scheme, float(risks[row]), at(run, "risk", time), ODE_ERROR, 1e-9)
        assert run.position is not None
        found = run.position[:, :, 0]
        apart = float(np.abs(found - overlaps[:, :, 0]).max())
        yield Row(f"committee N = {count}, largest error of <w_i, u_1>", scheme, 0.0, apart, ODE_ERROR, 1e-8)


@check("committee-package", ("particles",), quick=())
def package(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Two neurons and two teachers of weight 1/2; the package is built from its sources, which takes a compiler."""
    start = _start(2)
    state = {"q": (2.0 * start @ start.T).tolist(), "r": (2.0 * start[:, :2]).tolist(), "t": [[2.0, 0.0], [0.0, 2.0]]}
    asked = json.dumps({**state, "spans": np.diff(TIMES).tolist(), "step": EULER})
    try:
        long, short = Peers(PEERS).answer(PACKAGES, SCRIPT, asked, built={"pyscm": PACKAGE})
    except PeerMissing as missing:
        print(f"committee-package: {missing}", file=sys.stderr)
        return
    risks = _followed(bench, scheme, start).risk
    for row, time in enumerate(TIMES[1:]):
        q, r = (2.0 * np.array(fine) - np.array(coarse) for coarse, fine in zip(long[row], short[row], strict=True))
        found = float(risks[row + 1])
        yield Row(f"committee by pyscm, R(t = {time:g})", scheme, 0.5 * _error(q, r), found, EULER_ERROR, EULER_ERROR)


@check("committee-law", (CHARACTERISTICS,))
def specialising_law(bench: Workbench, scheme: str) -> Iterator[Row]:
    """Infinitely many neurons leave the plateau along w1 - w2: a map of three labels that grows steep."""
    saved = ",".join(f"{time:g}" for time in OF_LAW)
    keys = [f"solver.scheme={scheme}", "solver.neurons=law", f"solver.tolerance={LAW_TOLERANCE}", "time.end=30"]
    run = bench.run(load_configuration("committee-erf", [*keys, f"time.save=[0,{saved}]"]))
    for time, risk in OF_LAW.items():
        yield Row(f"committee law R({time:g})", scheme, risk, at(run, "risk", time), LAW_ERROR, LAW_TOLERANCE)
        yield within_estimate("committee law", scheme, time, risk, LAW_ERROR, run)


def _start(count: int) -> Array:
    """Weights of the neurons at the start, shape (N, d)."""
    weights = np.random.Generator(np.random.Philox(key=11)).standard_normal((count, DIMENSION)) * 0.5
    return np.asarray(weights / np.sqrt(DIMENSION))


def _followed(bench: Workbench, scheme: str, start: Array) -> SolveResult:
    """The program's run from weights of shape (N, d), N teachers of weight 1/N."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "start.csv"
        header = ",".join(f"w{place}" for place in range(1, DIMENSION + 1))
        np.savetxt(path, start, delimiter=",", header=header, comments="", fmt="%.17g")
        tables: dict[str, dict[str, object]] = {
            "data": {"law": "multi-index", "dim": DIMENSION, "weights": [1.0 / len(start)] * len(start)},
            "network": {"activation": "erf"},
            "initial": {"points": str(path)},
            "time": {"end": TIMES[-1], "save": list(TIMES)},
            "solver": {"scheme": scheme, "neurons": "actual", "tolerance": 1e-10},
        }
        return bench.run(parse(tables))


def _independent(w: Array) -> tuple[Array, Array]:
    """R at `TIMES`, shape (T,), and <w_i, u_k>, shape (T, N, K), from vectors whose first coordinates are the u_k."""
    count = len(w)
    first = np.concatenate([(2.0 * w @ w.T).ravel(), (2.0 * w[:, :count]).ravel()])
    clock = 2.0 / count * np.array(TIMES)
    flow = solve_ivp(_field, (0.0, clock[-1]), first, "LSODA", clock, rtol=1e-12, atol=1e-13, args=(count,))
    parts = [_parts(state, count) for state in flow.y.T]
    return np.array([2.0 / count**2 * _error(*part) for part in parts]), np.array([r / 2.0 for _, r in parts])


def _parts(state: Array, count: int) -> tuple[Array, Array]:
    return state[: count**2].reshape(count, count), state[count**2 :].reshape(count, count)


def _field(_: float, state: Array, count: int) -> Array:
    """dQ/d(eta alpha) and dR/d(eta alpha) as eta -> 0, term by term as in the paper."""
    q, r = _parts(state, count)
    t = 2.0 * np.eye(count)

    def pull(i: int, with_student: Array, with_teachers: Array, own: float) -> float:
        """E g'(x_i) z (zeta - sigma) of a field z: its products with students and teachers, and with x_i."""
        lifted, total = 1.0 + q[i, i], 0.0
        for m in range(count):
            root = np.sqrt(lifted * (1.0 + t[m, m]) - r[i, m] ** 2)
            total += (with_teachers[m] * lifted - own * r[i, m]) / root
        for j in range(count):
            root = np.sqrt(lifted * (1.0 + q[j, j]) - q[i, j] ** 2)
            total -= (with_student[j] * lifted - own * q[i, j]) / root
        return float(2.0 / np.pi * total / lifted)

    by_r = [[pull(i, r[:, n], t[:, n], r[i, n]) for n in range(count)] for i in range(count)]
    by_q = np.array([[pull(i, q[:, k], r[k], q[i, k]) for k in range(count)] for i in range(count)])
    return np.concatenate([(by_q + by_q.T).ravel(), np.ravel(by_r)])


def _error(q: Array, r: Array) -> float:
    """epsilon_g = E (zeta - sigma)^2 / 2."""
    own, t = 1.0 + np.diag(q), 2.0 * np.eye(len(q))
    students = np.arcsin(q / np.sqrt(np.outer(own, own))).sum()
    teachers = np.arcsin(t / 3.0).sum()
    mixed = np.arcsin(r / np.sqrt(np.outer(own, np.full(len(q), 3.0)))).sum()
    return float((students + teachers - 2.0 * mixed) / np.pi)
