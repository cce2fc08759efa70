"""PPTP, the classic: control and GRE of several clients through the NAT and its helper."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

import pytest

from compiler.prove.lab.network import Lab
from compiler.prove.lab.packets import GRE, Packet
from targets.linux import TARGET
from tests.prove.lab.office import ROUTER_WAN
from tests.prove.lab.pptp import Call, connect, gre
from tests.targets.linux.support import apply, device, intent, table

pytestmark = pytest.mark.kernel
SERVER, ELSEWHERE = "192.0.2.10", "192.0.2.99"
CLIENTS = {"c1": "192.168.1.11", "c2": "192.168.1.12", "g1": "192.168.2.11"}
BOTH_WAYS = (True, True)


def call(lab: Lab, client: str, to: str = SERVER) -> Call | None:
    """Call a server; every client chooses the same call ID."""
    return connect(lab, client, "internet", (ip_address(CLIENTS[client]), ip_address(to)), (7, 9))


def call_in(lab: Lab) -> Call | None:
    ends = ip_address(SERVER), ip_address(ROUTER_WAN["wan"])
    return connect(lab, "internet", "c1", ends, (7, 9))


@pytest.mark.parametrize("options", [{}, {"forward": "drop"}])
@pytest.mark.parametrize("entry", ["pass", {"action": "pass", "to": [SERVER], "from": ["lan"]}])
def test_two_clients_with_one_call_id(lab: Lab, options: dict[str, str], entry: Any) -> None:
    apply(lab, {"pptp": entry}, options=options)
    calls = [call(lab, "c1"), call(lab, "c2")]
    assert all(calls)
    assert len({one.to_client_id for one in calls if one}) == 2, "the helper gives each its own"
    for _ in range(2):
        assert [one.data_arrives() for one in calls if one] == [BOTH_WAYS, BOTH_WAYS]


def test_the_server_may_speak_first(lab: Lab) -> None:
    apply(lab, {"pptp": {"action": "pass", "to": [SERVER]}})
    one = call(lab, "c1")
    assert one
    assert one.server_first() == BOTH_WAYS


def test_without_the_helper_gre_is_lost(lab: Lab) -> None:
    text = TARGET.render(table(intent({"pptp": "pass"})), device()).native_text
    lab.load(re.sub(r".*ct helper set.*\n", "", text))
    for client in ("c1", "c2"):
        one = call(lab, client)
        assert one, "the control connection opens"
        assert one.data_arrives()[1] is False


def test_limits_bind_the_helper(lab: Lab) -> None:
    limited = {"action": "pass", "from": ["lan"], "to": [SERVER], "otherwise": "keep"}
    apply(lab, {"pptp": limited})
    inside, outside, guest = call(lab, "c1"), call(lab, "c2", ELSEWHERE), call(lab, "g1")
    assert inside and outside and guest  # noqa: PT018
    assert inside.data_arrives() == BOTH_WAYS
    assert outside.data_arrives()[1] is False
    assert guest.data_arrives()[1] is False


def test_limits_block_elsewhere(lab: Lab) -> None:
    apply(lab, {"pptp": {"action": "pass", "from": ["lan"], "to": [SERVER]}})
    assert call(lab, "c1", ELSEWHERE) is None
    assert call(lab, "g1") is None


def test_a_block_drops_control_and_data(lab: Lab) -> None:
    apply(lab, {"pptp": "block"})
    assert call(lab, "c1") is None
    ends = ip_address(CLIENTS["c1"]), ip_address(SERVER)
    assert lab.reaches(Packet(GRE, *ends, lab.token(), payload=gre(7)), "c1", "internet") is None


@pytest.mark.parametrize("first", ["client", "server"])
@pytest.mark.parametrize(
    "entry", ["block", {"action": "pass", "to": [ELSEWHERE]}, {"action": "block", "from": ["lan"]}]
)
def test_a_block_cuts_a_running_session(lab: Lab, first: str, entry: Any) -> None:
    apply(lab, {"pptp": "pass"})
    one = call(lab, "c1")
    assert one
    send = one.data_arrives if first == "client" else one.server_first
    assert send() == BOTH_WAYS
    apply(lab, {"pptp": entry})
    assert one.data_arrives() == (False, False)
    assert one.server_first() == (False, False)


@pytest.mark.parametrize("clients", ["pass", "block", "keep"])
@pytest.mark.parametrize("first", ["client", "server"])
def test_exposed_server(lab: Lab, clients: str, first: str) -> None:
    """A server behind the router works whatever the policy says of clients, and whoever speaks."""
    apply(lab, {"pptp": clients}, expose=[{"protocol": "pptp", "to": "192.168.1.20"}])
    one = call_in(lab)
    assert one
    assert (one.data_arrives() if first == "client" else one.server_first()) == BOTH_WAYS
    assert (call(lab, "c2") is None) == (clients == "block")
