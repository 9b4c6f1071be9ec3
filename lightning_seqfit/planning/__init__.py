"""What a target asks of a network, before anything is trained: from its spectrum, its size and its points alone."""

from lightning_seqfit.planning.advised import Advised
from lightning_seqfit.planning.plan import Plan, plan
from lightning_seqfit.planning.recipe import Recipe
from lightning_seqfit.planning.recommend import recommend

__all__ = ["Advised", "Plan", "Recipe", "plan", "recommend"]
