"""Secret of user keys, read from the environment only."""

from __future__ import annotations

from collections.abc import Mapping

from ltrr.errors import ConfigError

SECRET_VARIABLE = "LTRR_USER_KEY_SECRET"  # noqa: S105 (the variable's name, not the secret)


def read_secret(environment: Mapping[str, str]) -> str:
    """Read the secret of user keys.

    >>> read_secret({})
    Traceback (most recent call last):
        ...
    ltrr.errors.ConfigError: user ids cannot be turned into keys: LTRR_USER_KEY_SECRET: \
expected a secret in the environment, got none; \
set it to the same value every night: another value changes the key of every user

    Raises:
        ConfigError: The environment has no secret.
    """
    secret = environment.get(SECRET_VARIABLE, "")
    if not secret:
        raise ConfigError(
            "user ids cannot be turned into keys",
            which=SECRET_VARIABLE,
            expected="a secret in the environment",
            got="none",
            todo="set it to the same value every night: another value changes the key of every user",
        )
    return secret
