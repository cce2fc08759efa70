"""What a proof loads is what is written for the router."""

from __future__ import annotations

import pytest

from compiler.build.registry import installed
from compiler.model.datapath import Modelled
from targets.linux import TARGET
from tests.prove.support import OFFICE, resolved


@pytest.mark.parametrize("options", [{}, {"forward": "drop"}, {"mode": "overlay"}])
def test_the_rules_are_those_of_the_bundle(options: dict[str, str]) -> None:
    found = resolved({"pptp": "pass", "ipsec": "block"}, OFFICE, options=dict(options))
    settings = TARGET.settings(found.intent, found.device)
    bundle, path = TARGET.render(settings, found.device), TARGET.data_path(settings, found.device)
    assert path.nft == bundle.native_text
    assert not path.modelled
    written = [f.content.decode() for f in bundle.files if "sysctl" in f.path]
    switches = [line for text in written for line in text.splitlines() if "=" in line]
    assert switches == [f"net.{name} = {value}" for name, value in path.sysctls.items()]


def test_targets_offer_a_path_or_none() -> None:
    """A member that has the name but not the meaning would look like a model."""
    registry = installed()
    for name in registry.names:
        target = registry.get(name)
        assert isinstance(target, Modelled) == callable(getattr(target, "data_path", None))
