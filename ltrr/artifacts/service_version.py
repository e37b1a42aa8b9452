"""Version of the choices of a decision service that is none of ltrr's bundles.

Such a choice names no bundle. Ingestion computes its features by the settings of the home, so the
version is a hash of these: two rows of one version have the same plans and features.
"""

from __future__ import annotations

import hashlib
import json

from ltrr.artifacts.manifest import PolicySettings

SERVICE = "service"
"""`served_by` of a search whose plan a decision service chose, by propensities that it logged."""

_NOT_OF_PLANS = ("name", "exploration")


def service_version(settings: PolicySettings) -> str:
    """`service-<12 hex>` of the plans, looks and features of a policy; never that of a bundle.

    >>> one = PolicySettings("search", ("title", "memory"), budget=2, observe="blind")
    >>> other = PolicySettings("shop", ("title", "memory"), budget=2, observe="blind")
    >>> service_version(one) == service_version(other), service_version(one)[:8]
    (True, 'service-')
    >>> deeper = PolicySettings("search", ("title", "memory"), budget=3, observe="blind")
    >>> service_version(one) == service_version(deeper)
    False
    """
    plain = {name: value for name, value in settings.to_json().items() if name not in _NOT_OF_PLANS}
    return f"service-{hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]}"
