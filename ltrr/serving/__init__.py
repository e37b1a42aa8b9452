"""Loads a published policy and serves it: numpy, vowpalwabbit, xgboost, fsspec; no Spark, no MLflow."""

from ltrr.core.planning import Block
from ltrr.serving.policy import PlanChoice, Policy
from ltrr.serving.ranker import Slate
from ltrr.serving.replay import Replay, replay

__all__ = ["Block", "PlanChoice", "Policy", "Replay", "Slate", "replay"]
