"""Gaussian moments of piecewise linear units without cancellation, however steep a piece or far a knot is.

In units of the deviation t about the offset b a unit is its value at b, hinges that open away from b, and *narrow*
ramps of width delta < NARROW, each of which is a mean of steps over their places and never a difference of hinges:

    E ramp = ∫_0^1 Q(x + delta s) ds,      E ramp' = (1/t) ∫_0^1 n(x + delta s) ds.

Of two units, X and Y of correlation rho, narrow ramps are steps at their middles, with closed forms, and remainders
r(X) of support delta, which are integrated against the conditional expectation of the other unit given X.
"""
