"""Both commands with a real router between them: what it does is what they say."""

from __future__ import annotations

import signal
import socket
import time
from contextlib import closing

import pytest
from jsonschema import Draft7Validator

import schemas
from compiler.catalogue import builtin
from compiler.model.protocol import LAYER4, UDP, Family
from compiler.probe.talks import talks_of
from compiler.prove.lab import Lab, missing
from compiler.prove.lab.network import INTERNET
from tests.probe.support import (
    HELPER,
    NAT,
    NOBODY,
    SERVER,
    SERVER6,
    ended,
    filtered,
    ready,
    run,
    serving,
    started,
)

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
]
PATIENT = ("--timeout", "15")
QUICK = ("--timeout", "2")


def test_control_without_helper_loses_gre(lab: Lab) -> None:
    """1. masquerade alone, 2. PPTP: control passes, GRE's answers are lost, the advice says why."""
    ready(lab, NAT)
    with serving(lab):
        ran = run(lab, "--protocols", "pptp", *QUICK)
    assert ran.code == 2
    assert ran.results == {"pptp.control": "passed", "pptp.data": "lost"}
    assert ran.flow("pptp.data")["lost"] == "back"
    assert ran.advice["pptp"].startswith(
        "control connects, GRE is lost: PPTP passthrough is off or the helper is missing"
    )
    assert "nf_nat_pptp" in ran.advice["pptp"]
    assert "warning[E874]" in ran.err


def test_everything_passes_a_router_with_helper(lab: Lab) -> None:
    """All protocols over both families; and the JSON follows its schema."""
    ready(lab, NAT, HELPER)
    with serving(lab) as server:
        four = run(lab, *PATIENT)
        six = run(lab, *PATIENT, to=SERVER6)
    assert (four.code, six.code) == (0, 0), four.err + six.err
    for ran, family in ((four, Family.IPV4), (six, Family.IPV6)):
        flows = [(f["flow"], f["packets"], f["result"]) for f in ran.data["flows"]]
        assert flows == [
            (flow.id, talk.packets(flow), "passed")
            for talk in talks_of(builtin(), family)
            for flow in talk.flows
        ]
        assert not list(Draft7Validator(schemas.schema("probe")).iter_errors(ran.data))
        assert ran.advice == {}
    assert four.data["ways"] == [
        {
            "family": "ipv4", "source": "192.168.1.11", "seen_as": "203.0.113.2",
            "server": SERVER, "nat": True,
        }
    ]  # fmt: skip
    assert six.data["ways"][0]["nat"] is False
    assert four.flow("ah.ah")["why"] == "arrives, but cannot work behind NAT"
    assert "why" not in six.flow("ah.ah")
    assert "26 of 26 flows came through whole" in server.err


def test_the_server_never_sends_more_than_it_got(lab: Lab) -> None:
    """Counted by the router, in packets' whole lengths, for everything but the control session."""
    names = {name: name.replace("-", "") for name in ("udp", "gre", "esp", "ah", "l2tp-ip")}
    ways = {"out": "br-lan", "back": "wan"}
    rules = [
        f'meta l4proto {LAYER4[name]} iifname "{link}" counter name {short}-{way}'
        for name, short in names.items()
        for way, link in ways.items()
    ]
    counters = [f"counter {short}-{way} {{ }}" for short in names.values() for way in ways]
    table = filtered(*rules).replace("{\n", "{\n" + "\n".join(counters) + "\n", 1)
    ready(lab, NAT, HELPER, table)
    with serving(lab):
        assert run(lab, *PATIENT).code == 0
    for short in names.values():
        out, back = (counted(lab, f"{short}-{way}")[1] for way in ways)
        assert 0 < back <= out, short


def counted(lab: Lab, name: str) -> tuple[int, int]:
    """Read a counter of the router: packets and bytes."""
    words = lab.router.run("nft", "list", "counter", "inet", "filter", name).split()
    return int(words[words.index("packets") + 1]), int(words[words.index("bytes") + 1])


def test_two_clients_at_once_with_one_call_id(lab: Lab) -> None:
    """And one source port: the second client's is rewritten, and the result says so."""
    ready(lab, NAT, HELPER)
    with serving(lab):
        given = ("run", SERVER, "--output", "json", "--protocols", "pptp,l2tp", *PATIENT)
        both = [started(lab, host, *given) for host in ("c1", "c2")]
        first, second = (ended(process) for process in both)
    for ran in (first, second):
        assert ran.code == 0, ran.err
        assert set(ran.results.values()) == {"passed"}
    ports = {ran.flow("l2tp.tunnel")["seen_port"] for ran in (first, second)}
    assert len(ports) == 2
    assert 1701 in ports
    why = [ran.flow("l2tp.tunnel").get("why", "") for ran in (first, second)]
    assert sorted(why)[1].startswith("source port 1701 becomes ")


def test_everything_blocked(lab: Lab) -> None:
    ready(
        lab, NAT, HELPER, filtered("tcp dport 17277 accept", "ct state established accept", "drop")
    )
    with serving(lab):
        ran = run(lab, *QUICK)
    assert ran.code == 2
    assert set(ran.results.values()) == {"lost", "not tried"}
    untried = [name for name, result in ran.results.items() if result == "not tried"]
    assert untried == ["pptp.data"]
    assert ran.flow("pptp.data")["why"] == "comes only after tcp/1723"
    assert {f["lost"] for f in ran.data["flows"] if f["result"] == "lost"} == {"out"}
    assert ran.flow("wireguard.data")["why"] == "no packet reaches the server"
    assert "ESP has no ports" in ran.advice["ipsec"]


def test_ike_blocked_only(lab: Lab) -> None:
    ready(lab, NAT, HELPER, filtered("udp dport 500 drop"))
    with serving(lab):
        ran = run(lab, "--protocols", "ipsec,wireguard,pptp", *QUICK)
    lost = {name for name, result in ran.results.items() if result == "lost"}
    assert lost == {"ikev1.ike", "ikev2.ike"}
    assert ran.advice["ikev2"] == "udp/500: blocked on the way out: no packet reaches the server."
    assert set(ran.advice) == {"ikev1", "ikev2"}


def test_a_refusal_is_told_from_silence(lab: Lab) -> None:
    ready(
        lab, NAT,
        filtered(
            "udp dport 51820 reject",
            "tcp dport 1194 reject with tcp reset",
            "meta l4proto esp drop",
        ),
    )  # fmt: skip
    with serving(lab):
        ran = run(lab, "--protocols", "wireguard,openvpn,ipsec", *QUICK)
    assert ran.flow("wireguard.data")["why"] == "refused"
    assert ran.flow("openvpn.tcp")["why"] == "refused"
    assert ran.flow("ipsec.esp")["why"] == "no packet reaches the server"
    assert ran.flow("openvpn.udp")["result"] == "passed"


def test_the_way_back_is_told_from_the_way_out(lab: Lab) -> None:
    ready(lab, NAT, filtered("udp sport 1194 drop"))
    with serving(lab):
        ran = run(lab, "--protocols", "openvpn", *QUICK)
    assert ran.flow("openvpn.udp")["lost"] == "back"
    assert ran.flow("openvpn.tcp")["result"] == "passed"
    assert "lost on the way back" in ran.advice["openvpn"]


def test_what_is_lost_in_the_middle_is_told_so(lab: Lab) -> None:
    """OpenVPN's data packets have another opcode than its handshake."""
    ready(lab, NAT, filtered("udp dport 1194 @th,64,8 0x48 drop"))
    with serving(lab):
        ran = run(lab, "--protocols", "openvpn", *QUICK)
    found = ran.flow("openvpn.udp")
    assert (found["lost"], found["why"]) == (
        "out",
        "nothing more reaches the server after 2 messages",
    )


def test_changed_packets_do_not_count_as_passed(lab: Lab) -> None:
    """One byte of WireGuard's initiation out, one of OpenVPN's hard reset back."""
    ready(
        lab, NAT,
        filtered("udp dport 51820 @th,120,8 set 0x99", "udp sport 1194 @th,80,8 set 0x99"),
    )  # fmt: skip
    with serving(lab):
        ran = run(lab, "--protocols", "wireguard,openvpn", *QUICK)
    assert ran.flow("wireguard.data")["why"] == "what reaches the server is not what was sent"
    assert ran.flow("openvpn.udp")["why"].startswith("changed on the way: the session")
    assert ran.flow("openvpn.udp")["lost"] == "back"


def test_a_router_with_several_addresses(lab: Lab) -> None:
    """Only the address of the control session is answered; the other is named."""
    nat = """table ip nat { chain out { type nat hook postrouting priority 100;
    udp dport 51820 snat to 198.51.100.2; oifname "wan" masquerade; }; }"""
    ready(lab, nat)
    with serving(lab):
        ran = run(lab, "--protocols", "wireguard", *QUICK)
    why = "comes from 198.51.100.2: the router has several addresses"
    assert ran.flow("wireguard.data")["why"] == why


def test_ports_in_use_at_the_server_are_not_lost(lab: Lab) -> None:
    ready(lab, NAT)
    used = lab.hosts[INTERNET].namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
    web = lab.hosts[INTERNET].namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
    with closing(used), closing(web):
        used.bind(("0.0.0.0", 500))  # noqa: S104 - in the lab
        web.bind(("0.0.0.0", 443))  # noqa: S104 - in the lab
        web.listen()
        with serving(lab) as server:
            ran = run(lab, "--protocols", "ikev2,sstp,wireguard", *PATIENT)
    assert ran.code == 0
    assert "not served: udp/500, udp/500 is in use here" in server.told
    assert ran.flow("ikev2.ike")["why"] == "udp/500 is in use at the server"
    assert ran.flow("sstp.tls")["why"] == "tcp/443 is in use at the server"
    assert ran.flow("ikev2.ike")["result"] == "not tried"
    assert ran.flow("wireguard.data")["result"] == "passed"


@pytest.mark.usefixtures("anybodys_python")
def test_without_root_the_rest_is_tried(lab: Lab) -> None:
    """At both ends: raw packets, and ports below 1024 at the server, are not tried."""
    ready(lab, NAT)
    with serving(lab, prefix=NOBODY) as server:
        ran = run(lab, *PATIENT, prefix=NOBODY)
        rooted = run(lab, "--protocols", "ipsec,ah", *PATIENT)
    assert ran.code == 0, ran.err
    untried = {name for name, result in ran.results.items() if result == "not tried"}
    # the other listener of SoftEther, on 5555, is tried
    assert ran.flow("softether.listeners")["result"] == "not tried"
    assert untried == {
        "ah.ah", "ikev1.ike", "ikev2.ike", "ipsec.esp", "l2tpv3.ip", "openconnect.tls",
        "openconnect.dtls", "pptp.data", "softether.tls", "sstp.tls", "tailscale.derp",
    }  # fmt: skip
    assert ran.results["pptp.control"] == "passed"
    assert "not served: esp, needs root here (CAP_NET_RAW)" in server.told
    assert rooted.flow("ipsec.esp")["why"] == "needs root at the server (CAP_NET_RAW)"
    assert rooted.flow("ikev2.ike")["why"] == "needs root at the server (CAP_NET_BIND_SERVICE)"


@pytest.mark.usefixtures("anybodys_python")
def test_a_client_without_root_says_what_it_lacks(lab: Lab) -> None:
    ready(lab, NAT)
    with serving(lab):
        ran = run(lab, "--protocols", "ipsec", *PATIENT, prefix=NOBODY)
    assert ran.flow("ipsec.esp")["why"] == "needs root at the client (CAP_NET_RAW)"
    assert ran.flow("ikev2.ike")["result"] == "passed"
    assert "needs root at the client (CAP_NET_BIND_SERVICE)" in ran.flow("ikev1.ike")["why"]


def test_another_token_gets_not_a_byte(lab: Lab) -> None:
    table = filtered('iifname "wan" tcp sport 17277 counter name told').replace(
        "{\n", "{\n\tcounter told { }\n", 1
    )
    ready(lab, NAT, table)
    with serving(lab) as server:
        ran = run(lab, "--protocols", "wireguard", *QUICK, token="another token of somebody")
        packets, size = counted(lab, "told")
    assert ran.code == 3
    assert "error[E872]" in ran.err
    assert 0 < size <= packets * 60, "headers only"
    assert "flows to try" not in server.err


def test_a_server_that_is_not_there_is_unreachable(lab: Lab) -> None:
    ready(lab, NAT)
    ran = run(lab, *QUICK)
    assert ran.code == 5
    assert "error[E871]" in ran.err
    assert "refused" in ran.err


def test_clients_beyond_the_limit_are_told(lab: Lab) -> None:
    ready(lab, NAT, filtered("udp dport 51820 drop"))
    with serving(lab, "--clients", "1") as server:
        slow = started(lab, "c1", "run", SERVER, "--protocols", "wireguard", "--timeout", "20")
        assert server.process.stderr
        assert "flows to try: 1" in server.process.stderr.readline()
        second = run(lab, "--protocols", "openvpn", host="c2")
        slow.send_signal(signal.SIGINT)
        stopped = ended(slow)
        assert "flows" not in stopped.out
        closed(lab)
        third = run(lab, "--protocols", "openvpn", *PATIENT, host="c2")
    assert second.code == 5
    assert "as many clients as it may" in second.err
    assert stopped.code == 130
    assert third.code == 0


def busy(lab: Lab) -> bool:
    """Tell whether the server has a UDP socket."""
    return bool(lab.hosts[INTERNET].namespace.run("ss", "-Hlun").strip())


def closed(lab: Lab) -> None:
    """Wait until the server has noticed that its client is gone, in its own time."""
    for _ in range(600):
        if not busy(lab):
            return
        time.sleep(0.1)
    pytest.fail("the server's sockets stay open")


def test_sockets_are_open_only_while_somebody_is_served(lab: Lab) -> None:
    ready(lab, NAT, filtered("udp dport 51820 drop"))
    with serving(lab) as server:
        assert not busy(lab)
        client = started(lab, "c1", "run", SERVER, "--protocols", "wireguard", "--timeout", "20")
        assert server.process.stderr
        server.process.stderr.readline()
        listening = lab.hosts[INTERNET].namespace.run("ss", "-Hlun")
        assert f"{SERVER}:51820" in listening, "at the address that was called, no other"
        assert len(listening.splitlines()) == 1
        client.kill()
        client.communicate()
        closed(lab)


def test_ctrl_c_ends_the_server_in_peace(lab: Lab) -> None:
    ready(lab, NAT)
    process = started(lab, INTERNET, "serve")
    assert process.stderr
    while not process.stderr.readline().startswith("serving on"):
        pass
    process.send_signal(signal.SIGINT)
    ran = ended(process)
    assert ran.code == 0
    assert ran.err.strip() == "ended"


def test_ctrl_c_at_the_server_while_somebody_is_served(lab: Lab) -> None:
    """The server ends in peace, and the client says that the session broke off."""
    ready(lab, NAT, filtered("udp dport 51820 drop"))
    process = started(lab, INTERNET, "serve")
    assert process.stderr
    while not process.stderr.readline().startswith("serving on"):
        pass
    client = started(lab, "c1", "run", SERVER, "--protocols", "wireguard", "--timeout", "2")
    assert "flows to try: 1" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert ended(process).err == "ended\n"
    assert process.returncode == 0
    ran = ended(client)
    assert ran.code == 5
    assert "error[E876]" in ran.err


def test_one_client_and_an_end(lab: Lab) -> None:
    ready(lab, NAT)
    with serving(lab, "--once") as server:
        assert run(lab, "--protocols", "wireguard", *PATIENT).code == 0
        assert server.process.wait(60) == 0


def test_the_port_of_the_control_session(lab: Lab) -> None:
    ready(lab, NAT)
    with serving(lab, "--port", "8443", "--address", SERVER):
        ran = run(lab, "--port", "8443", "--protocols", "wireguard", *PATIENT)
        taken = ended(started(lab, INTERNET, "serve", "--port", "8443"))
        elsewhere = run(lab, "--port", "8443", "--protocols", "wireguard", to=SERVER6)
    assert ran.code == 0
    assert taken.code == 3
    assert "error[E877]" in taken.err
    assert elsewhere.code == 5


def test_a_firewall_of_the_client_is_not_the_routers(lab: Lab) -> None:
    ready(lab, NAT)
    namespace = lab.hosts["c1"].namespace
    rule = "table ip own { chain o { type filter hook output priority 0; udp dport 51820 drop; }; }"
    namespace.run("nft", "-f", "-", text=rule)
    try:
        with serving(lab):
            ran = run(lab, "--protocols", "wireguard,openvpn", *PATIENT)
    finally:
        namespace.run("nft", "flush", "ruleset")
    assert ran.flow("wireguard.data")["result"] == "not tried"
    assert "own firewall" in ran.flow("wireguard.data")["why"]
    assert ran.code == 0


def test_words_for_people_fit_a_terminal(lab: Lab) -> None:
    ready(lab, NAT, filtered(f"meta l4proto {UDP} drop"))
    with serving(lab):
        ran = ended(started(lab, "c1", "run", SERVER, "--protocols", "openvpn,ipsec", *QUICK))
    assert ran.code == 2
    rows = [line.split("\t") for line in ran.out.splitlines()]
    assert ["openvpn.tcp", "tcp/1194", "ipv4", "passed", ""] in rows
    assert all(len("  ".join(row)) <= 80 for row in rows)
