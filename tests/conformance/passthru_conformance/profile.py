"""How many examples the laws are tried on; ``--examples`` says otherwise."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

NAME = "passthru-conformance"
EXAMPLES = 12


def register(examples: int | None = None) -> None:
    """Make the suite's profile from the one in use, without loading it for other tests."""
    settings.register_profile(
        NAME,
        settings(),
        max_examples=examples or EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


def law() -> settings:
    """Give the settings to decorate a law with."""
    return settings.get_profile(NAME)
