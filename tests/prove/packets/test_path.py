"""What a proof loads is what is written for the router."""

from __future__ import annotations

import pytest

from compiler.build.registry import installed
from compiler.model.datapath import DataPath, Modelled
from compiler.model.protocol import Family
from compiler.prove.packets.rules import ends
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


@pytest.mark.parametrize(
    ("family", "layer4", "port", "ended"),
    [
        (Family.IPV4, 17, 500, True),
        (Family.IPV4, 17, 501, False),
        (Family.IPV6, 17, 500, False),
        (Family.IPV4, 6, 500, False),
        (Family.IPV6, 6, 443, True),
        (Family.IPV6, 47, 0, True),
    ],
)
def test_which_connections_a_procedure_ends(
    family: Family, layer4: int, port: int, *, ended: bool
) -> None:
    path = DataPath(
        ends=(
            ("-f", "ipv4", "-p", "17", "--orig-port-dst", "500"),
            ("-f", "ipv6", "-p", "tcp"),
            ("-f", "ipv6", "-p", "47"),
        )
    )
    assert ends(path, family, layer4, port) is ended
