"""What a target asks of a network, before anything is trained: from its spectrum, its size and its points alone.

f is the highest frequency that matters along an axis, in cycles per domain, l the length of the domain as the network
sees it. A SIREN's omega_0 = c 2 pi max(f / l), Fourier features' sigma = c max(f / l), the largest over the axes.
"""

from lightning_seqfit.planning.plan import Advised, Plan, plan
from lightning_seqfit.planning.recipe import Recipe
from lightning_seqfit.planning.recommend import recommend

__all__ = ["Advised", "Plan", "Recipe", "plan", "recommend"]
