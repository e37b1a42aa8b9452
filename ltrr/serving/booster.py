"""Loading a published XGBoost model, and its predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltrr.arrays import Floats, Floats32
from ltrr.errors import ArtifactError


def load_booster(model: bytes, features: int, name: str) -> Any:
    """A booster for predictions of a few rows.

    Args:
        model: XGBoost's own `ubj` bytes.
        features: Number of features that the model must have.
        name: Name of the file, for messages.

    Raises:
        ArtifactError: the model cannot be read, or was trained on another number of features.
    """
    # XGBoost ends the process on an empty buffer, so bytes of another format are refused here.
    if not model.startswith(b"{"):
        raise ArtifactError(
            "not a model of XGBoost", which=name, expected="UBJSON", got=repr(model[:12]), todo="publish again"
        )
    # The first import takes 1-6 s. It happens when a policy with such a model is loaded, not at
    # `import ltrr.serving`.
    import xgboost

    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(model))
    except (ValueError, xgboost.core.XGBoostError) as fault:
        raise ArtifactError(
            "XGBoost cannot read a model", which=name, got=str(fault).splitlines()[0], todo="publish again"
        ) from fault
    if booster.num_features() != features:
        raise ArtifactError(
            "a model was trained on other features",
            which=name,
            expected=f"{features} features",
            got=str(booster.num_features()),
            todo="train it on the features of the manifest",
        )
    # One page is a few rows: threads would be slower, and would use the service's cores.
    booster.set_param({"nthread": 1})
    return booster


def predictions(booster: Any, rows: Floats32) -> Floats:
    """Predictions of a booster, [N]; empty without rows, which XGBoost does not accept."""
    if not len(rows):
        return np.empty(0)
    return np.asarray(booster.inplace_predict(rows), dtype=np.float64)


def contributions(booster: Any, rows: Floats32) -> Floats:
    """Contribution of each feature to the margin (SHAP values), and the bias last, [N, F + 1].

    Lundberg, Erion & Lee, "Consistent Individualized Feature Attribution for Tree Ensembles", 2018.
    """
    import xgboost

    if not len(rows):
        return np.empty((0, booster.num_features() + 1))
    matrix = xgboost.DMatrix(rows, nthread=1)
    return np.asarray(booster.predict(matrix, pred_contribs=True, validate_features=False), dtype=np.float64)
