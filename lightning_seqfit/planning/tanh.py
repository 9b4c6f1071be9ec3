"""How many steps a plain tanh network takes, from what was measured, or that it will not do.

Measured: two hidden layers of 50, Adam at 5e-3, 400 points on a line or 48 x 48 in the plane, all in each step, inputs
and values as they are, 15,000 steps (10,000 in the plane), 2 seeds; ``python benchmarks/plan.py --tanh`` measures it
again. On a line of length 2 about 0 it takes half of the steps on [0, 1]. Beside a trend it takes as many times more as
all values vary more than what oscillates does: parabola + 0.3 sin has 1.7 times and takes 1 to 2.2 times, 3 x + 0.3 sin
4.2 times and takes 3.8 to 4.5 times.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import NamedTuple

from lightning_seqfit.planning.facts import Facts

#: Steps to 98 % fitted, by the highest frequency in cycles per domain: the fewest and the most of all seeds; ``inf``:
#: not within 15,000. On [0, 1]; in the plane on [-1, 1]^2.
MEASURED: dict[str, dict[float, tuple[float, float]]] = {
    "as strong at the edges as inside": {
        1.0: (61, 162),
        2.0: (222, 416),
        3.0: (487, 665),
        5.0: (840, 1_443),
        8.0: (1_559, 3_643),
        13.0: (5_355, 8_500),
        20.0: (math.inf, math.inf),
    },
    "weaker at the edges": {
        1.2: (162, 175),
        3.8: (281, 908),
        5.3: (1_336, 3_123),
        8.4: (4_958, 9_180),
        13.4: (math.inf, math.inf),
    },
    "faded at the edges": {
        2.0: (138, 205),
        2.9: (281, 385),
        4.0: (1_336, 2_293),
        6.0: (2_891, 7_870),
        9.0: (math.inf, math.inf),
    },
}
