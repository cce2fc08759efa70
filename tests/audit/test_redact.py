"""Nothing that a config must keep secret is shown, whatever family wrote it; the rest stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.audit.redact import SHOWN, redact, redact_value

SECRET = "h0rse-b4ttery.St4ple"
WG = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
_LINE = "OPENSSH PRIVATE KEY-----"
PEM = f"-----BEGIN {_LINE}\n{SECRET}\nabc\n-----END {_LINE}"
CONFIGS = (
    f"wireless.default_radio0.key='{SECRET}'",
    f"\toption key '{SECRET}'\n\toption ssid 'home'",
    f"\toption password {SECRET}\n",
    f"network.wg0.private_key='{WG}'",
    f"\toption preshared_key '{WG}'",
    f"\toption pppd_options 'x'\n\toption psk \"{SECRET}\"",
    f"rpcd.@login[0].password='$1$abcdefgh${SECRET}'",
    f"ddns.my.password='{SECRET}'",
    f"http_passwd={SECRET}",
    f"wl0_wpa_psk={SECRET}",
    f"wl_key1={SECRET}",
    f"wan0_pppoe_passwd={SECRET}",
    f"ddns_passwd_x={SECRET}",
    f"vpn_server1_secret={SECRET}",
    f"wl0.1_radius_key={SECRET}",
    f"snmpd_rwcommunity={SECRET}",
    f"vpn_crt_server1_key={PEM}",
    f"sshd_authkeys=ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO{'x' * 40} me@here",
    f'{{"passphrase": "{SECRET}", "ssid": "home"}}',
    f'{{"wpaPersonalSettings": {{"passphrase":"{SECRET}"}}}}',
    f"{{'adminPassword': '{SECRET}'}}",
    f'{{"token":"{SECRET}","errorCode":0}}',
    f'{{"psk" : "{SECRET}"}}',
    f"<AdminPassword>{SECRET}</AdminPassword>",
    f"<Key>{SECRET}</Key>",
    f"<WPAPSK enc='no'>{SECRET}</WPAPSK>",
    f'/ppp secret\nadd name=me password="{SECRET}" service=l2tp',
    f"set [ find default=yes ] security.passphrase={SECRET} disabled=no",
    f"add ipsec-secret={SECRET} use-ipsec=yes",
    f"/ip ipsec identity\nadd peer=x secret={SECRET}",
    f'add listen-port=13231 name=wg private-key="{WG}"',
    f"/snmp community\nset [ find default=yes ] authentication-password={SECRET} name=x",
    f"set vpn ipsec site-to-site peer 192.0.2.1 authentication pre-shared-secret '{SECRET}'",
    f"set system login user ubnt authentication plaintext-password {SECRET}",
    f"set system login user ubnt authentication encrypted-password '$6$abc${SECRET}'",
    f"set service snmp community {SECRET} authorization ro",
    f"set interfaces wireguard wg0 private-key {WG}",
    f"set vpn l2tp remote-access authentication local-users username me password {SECRET}",
    f'    pre-shared-secret "{SECRET}"\n    id x',
    f"        password {SECRET}\n",
    f"set protocols bgp 65000 neighbor 192.0.2.1 password '{SECRET}'",
    f"me * {SECRET} *",
    f'"me" pptpd "{SECRET}" 10.0.0.2',
    f"wpa_passphrase={SECRET}",
    f"curl https://me:{SECRET}@ddns.example.net/update",
    PEM,
)
#: What these configs are about, and audits must go on telling.
KEPT = (
    "pptp_pass=0", "ipsec_pass=1", "fw_pt_pptp=1 (wanted: 0)", "l2tp_pass=1", "multicast_pass=0",
    "/nat/passthrough/pptp=1", "blockPPTP=true", '"ipSecAlg":"1"',
    "inet fw4 forward_lan rule 3: udp dport 500 accept",
    "config rule 'pass-vpn': option target ACCEPT",
    "set system conntrack modules pptp disable", "ip filter WAN_OUT rule 5020: drop",
    "add action=drop chain=forward dst-port=1701 protocol=udp passthrough=no",
    "option name 'Allow-IKE'", "policies/10-company.yml:5:5",
    "ansible_password is not set: the web interface asks for one",
    "the router lacks nf_nat_pptp", "tcp flags syn / fin,syn,rst,ack",
)  # fmt: skip


@pytest.mark.parametrize("text", CONFIGS)
def test_secrets_are_taken_out(text: str) -> None:
    shown = redact(text)
    assert SHOWN in shown
    for part in (SECRET, "b4ttery", WG, "x" * 40):
        assert part not in shown, shown
    assert redact(shown) == shown


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("http_passwd", SECRET, SHOWN),
        ("wireless.radio0.key", "'a' b c", SHOWN),
        ("note", f"password={SECRET}", f"password={SHOWN}"),
        ("pptp_pass", "1", "1"),
        ("fw_pt_pptp", None, None),
    ],
)
def test_a_name_can_make_its_value_a_secret(
    name: str, value: str | None, shown: str | None
) -> None:
    assert redact_value(name, value) == shown


@given(st.text(max_size=200))
def test_any_text_is_taken_and_twice_is_once(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@pytest.mark.parametrize(
    "unit", ["a-", "key.", "<key ", "password ", "'", "key='", "a_b=", "AAAAB"]
)
def test_hostile_texts_take_no_time(unit: str) -> None:
    """Only that it comes to an end: a pattern that explodes would not before the heat death."""
    assert redact(unit * 2000)
