"""The tools against what is known of the real ones, traps included."""

from __future__ import annotations

import pytest

from compiler.embedded import EmbeddedFleet, EmbeddedRouter
from tests.embedded.support import until

CONFIG = "/etc/config/firewall"


@pytest.fixture
def openwrt(fleet: EmbeddedFleet) -> EmbeddedRouter:
    return fleet.add("openwrt")


def test_uci_shows_values_in_quotes_and_lists_as_words(openwrt: EmbeddedRouter) -> None:
    shown = openwrt.run("uci show firewall").stdout
    assert "firewall.@zone[1].network='wan' 'wan6'\n" in shown
    assert shown.startswith("firewall.@defaults[0]=defaults\n")
    assert openwrt.run("uci get firewall.@zone[-1].network").stdout == "wan wan6\n"
    missing = openwrt.run("uci get firewall.nothing")
    assert (missing.status, missing.stderr) == (1, "uci: Entry not found\n")
    assert openwrt.run("uci -q get firewall.nothing").stderr == ""


def test_uci_stages_until_commit_which_drops_comments(openwrt: EmbeddedRouter) -> None:
    before = openwrt.read(CONFIG)
    openwrt.run('uci set firewall.x=rule; uci set firewall.x.name="it\'s"')
    openwrt.run("uci add_list firewall.x.proto=tcp; uci add_list firewall.x.proto=udp")
    assert openwrt.read(CONFIG) == before
    assert openwrt.run("uci changes").stdout == (
        "firewall.x='rule'\nfirewall.x.name='it'\\''s'\n"
        "firewall.x.proto+='tcp'\nfirewall.x.proto+='udp'\n"
    )
    assert openwrt.run("uci commit firewall").status == 0
    text = openwrt.read(CONFIG).decode()
    assert "config rule 'x'\n\toption name 'it'\\''s'\n\tlist proto 'tcp'\n\tlist proto" in text
    assert "#" not in text
    assert openwrt.run("uci changes").stdout == ""


def test_uci_reverts_and_a_reboot_does_too(openwrt: EmbeddedRouter) -> None:
    for forget in ("uci revert firewall", ""):
        openwrt.run("uci set firewall.x=rule")
        assert openwrt.run("uci -q get firewall.x").stdout == "rule\n"
        if forget:
            openwrt.run(forget)
        else:
            openwrt.reboot(0)
        assert openwrt.run("uci -q get firewall.x").status == 1


def test_anonymous_sections_keep_their_name_while_others_go(openwrt: EmbeddedRouter) -> None:
    name = openwrt.run("uci add firewall rule").stdout.strip()
    assert name.startswith("cfg")
    openwrt.run(f"uci set firewall.{name}.name=mine; uci delete firewall.@rule[0]; uci commit")
    assert openwrt.run("uci get firewall.@rule[-1].name").stdout == "mine\n"
    assert "Allow-DHCP-Renew" not in openwrt.read(CONFIG).decode()


def test_uci_batch_says_0_whatever_fails(openwrt: EmbeddedRouter) -> None:
    batch = "set firewall.a-b=rule\nset firewall.y=rule\nset firewall.no.x=1\ncommit firewall\n"
    done = openwrt.run("uci batch", batch)
    assert done.status == 0
    assert done.stderr == "uci: Invalid argument\nuci: Entry not found\n"
    assert "config rule 'y'" in openwrt.read(CONFIG).decode()


@pytest.mark.parametrize(
    "text", ["config rule 'x\n", "config rule a-b\n", "\ufeffconfig rule\n", "option x 1\n"]
)
def test_a_config_that_cannot_be_read_is_one_without_zones(
    openwrt: EmbeddedRouter, text: str
) -> None:
    """Section 5 A 1 of the facts: uci says it, fw4 does not, and what it loads lets nothing in."""
    openwrt.write(CONFIG, text)
    assert openwrt.run("uci show firewall").status == 1
    done = openwrt.run("fw4 check")
    assert (done.status, done.stderr) == (0, "")
    assert "passes nftables check" in done.stdout
    openwrt.run("fw4 reload")
    listed = openwrt.run("nft list table inet fw4").stdout
    assert "policy drop" in listed
    assert "accept_to_wan" not in listed


def rule(**options: str) -> str:
    lines = "".join(f"\toption {name} '{value}'\n" for name, value in options.items())
    return f"\nconfig rule 'x'\n{lines}"


@pytest.mark.parametrize(
    ("section", "warning"),
    [
        (rule(src="lan", dest_port="http"), "option 'dest_port' specifies invalid value 'http'"),
        (rule(src="moon"), "option 'src' specifies invalid value 'moon'"),
        (rule(src="lan", enabled="Yes"), "option 'enabled' specifies invalid value 'Yes'"),
        (rule(src="lan", colour="red"), "specifies unknown option 'colour'"),
        (rule(enabled="0", src="lan"), "is disabled, ignoring section"),
        (rule(target="HELPER", set_helper="pptp"), "must specify a source zone"),
        ("\nconfig rule\n\tlist src lan\n", "option 'src' must not be a list"),
        ("\nconfig zone\n\toption name z\n\tlist helper vpn\n", "option 'helper' specifies inval"),
    ],
)
def test_fw4_warns_and_passes(openwrt: EmbeddedRouter, section: str, warning: str) -> None:
    openwrt.write(CONFIG, openwrt.read(CONFIG).decode() + section)
    done = openwrt.run("fw4 check")
    assert done.status == 0
    assert warning in done.stderr
    assert all(line.startswith("[!] Section ") for line in done.stderr.splitlines())
    assert openwrt.run("fw4 -q check").stderr == ""


@pytest.mark.parametrize(
    "section",
    [
        rule(src="lan", dest="wan", name="n" * 123),
        rule(src="lan", dest="wan", proto="l2tp"),
        rule(src="lan", dest="wan", proto="256"),
    ],
)
def test_a_reload_says_0_although_nft_refuses(openwrt: EmbeddedRouter, section: str) -> None:
    """The old rules stay; `check` and `restart` tell; after a reboot there are none at all."""
    openwrt.write(CONFIG, openwrt.read(CONFIG).decode() + section)
    before = openwrt.run("nft list ruleset").stdout
    assert openwrt.run("fw4 check").status == 1
    assert openwrt.run("fw4 restart").status == 1
    assert openwrt.run("fw4 reload").status == 0
    assert openwrt.run("nft list ruleset").stdout == before != ""
    openwrt.reboot(0)
    assert openwrt.run("nft list table inet fw4").status == 1


def test_an_invalid_default_crashes_fw4(openwrt: EmbeddedRouter) -> None:
    text = openwrt.read(CONFIG).decode().replace("REJECT", "PERHAPS", 1)
    openwrt.write(CONFIG, text)
    assert openwrt.run("fw4 print").stdout == ""
    assert openwrt.run("fw4 check").status == 1


def test_staged_changes_are_checked_and_loaded(openwrt: EmbeddedRouter) -> None:
    """A foreign reload applies what somebody has staged and not committed."""
    openwrt.run(
        "uci set firewall.x=rule; uci set firewall.x.name=staged; uci set firewall.x.src=lan"
    )
    openwrt.run("fw4 reload")
    assert "!fw4: staged" in openwrt.run("nft list table inet fw4").stdout


def test_the_helper_needs_its_module_and_a_zone_without_masquerading(fleet: EmbeddedFleet) -> None:
    bare = fleet.add("openwrt", modules=["nf_conntrack"])
    assert bare.run("nft list chain inet fw4 helper_lan").status == 1
    bare.run("opkg update && opkg install kmod-nf-nathelper-extra && service firewall reload")
    chain = bare.run("nft list chain inet fw4 helper_lan").stdout
    assert 'ct helper set "pptp"' in chain
    assert bare.run("nft list chain inet fw4 helper_wan").status == 1


def test_init_scripts_are_enabled_by_links(openwrt: EmbeddedRouter) -> None:
    openwrt.write("/etc/init.d/mine", "#!/bin/sh /etc/rc.common\nSTART=99\n", 0o755)
    root = '"${PASSTHRU_ROOT:-}"'
    openwrt.run(f"sh {root}/etc/rc.common {root}/etc/init.d/mine enable")
    assert openwrt.run(f"ls {root}/etc/rc.d").stdout.split() == [
        "S19firewall",
        "S95done",
        "S99mine",
    ]
    assert openwrt.run("service mine enabled").status == 0
    assert openwrt.run("service mine disable; service mine enabled").status == 1
    assert openwrt.run("service nothing start").status == 1


@pytest.fixture
def asus(fleet: EmbeddedFleet) -> EmbeddedRouter:
    return fleet.add("asuswrt")


def test_nvram_get_prints_nothing_for_unset_and_empty(asus: EmbeddedRouter) -> None:
    asus.run("nvram set empty=")
    for key in ("unset", "empty"):
        done = asus.run(f"nvram get {key}")
        assert (done.status, done.stdout) == (0, "")
    assert asus.run("nvram get fw_pt_pptp").stdout == "1\n"


@pytest.mark.parametrize("value", ["a=b", 'it\'s "x" $y `z`', "two\nlines\n", " spaced ", "ä<>"])
def test_nvram_values_come_back_as_they_were(asus: EmbeddedRouter, value: str) -> None:
    done = asus.run('nvram set "k=$(cat; echo .)"; nvram commit', value)
    assert done.status == 0
    asus.reboot(0)
    assert asus.state().nvram["k"] == f"{value}."
    assert asus.run("nvram get k").stdout == f"{value}.\n"


def test_nvram_show_tells_its_size_apart(asus: EmbeddedRouter) -> None:
    done = asus.run("nvram show")
    assert "fw_pt_l2tp=1\n" in done.stdout
    assert done.stderr.startswith("size: ")
    assert done.stderr.endswith(" left)\n")
    assert done.stdout.split() != sorted(done.stdout.split())
    assert asus.run("nvram dump").stderr == ""


def test_nvram_has_an_end(asus: EmbeddedRouter) -> None:
    assert asus.run('nvram set "k=$(head -c 60000 /dev/zero | tr "\\0" x)"').status == 0
    assert asus.run('nvram set "l=$(head -c 6000 /dev/zero | tr "\\0" x)"').status == 1
    assert "l" not in asus.state().nvram


def test_service_returns_before_the_firewall_is_new(asus: EmbeddedRouter) -> None:
    """And `service` says 0 for what does not exist."""
    assert asus.run("nvram set fw_pt_ipsec=0; service restart_firewall").status == 0
    assert until(lambda: "-p esp -j DROP" in asus.run("iptables -S NSFW").stdout)
    listed = asus.run("iptables -S NSFW").stdout
    assert "-A NSFW -i br0 -o eth0 -p udp -m udp --dport 4500 -j DROP" in listed
    assert asus.run("service restart_nothing").status == 0


def test_nf_pptp_0_unloads_the_helper_with_connection_tracking(asus: EmbeddedRouter) -> None:
    assert "nf_nat_pptp" in asus.run("lsmod").stdout
    asus.run("nvram set nf_pptp=0; nvram set fw_pt_pptp=0; service restart_firewall")
    assert until(lambda: "-p gre -j DROP" in asus.run("iptables -S NSFW").stdout)
    assert "nf_nat_pptp" in asus.run("lsmod").stdout, "the firewall leaves the helpers alone"
    asus.run("service restart_conntrack")
    assert until(lambda: "nf_nat_pptp" not in asus.run("lsmod").stdout)


def test_ddwrt_blocks_only_what_its_keys_do(fleet: EmbeddedFleet) -> None:
    router = fleet.add("ddwrt")
    router.run("nvram set pptp_pass=0; nvram set ipsec_pass=0; startservice firewall")
    drops = [line for line in router.state().loaded.splitlines() if line.endswith("DROP")]
    assert [line for line in drops if line.startswith("-A")] == [
        "-A FORWARD -o vlan2 -p tcp --dport 1723 -j DROP",
        "-A FORWARD -o vlan2 -p udp --dport 500 -j DROP",
    ]
    router.run("nvram set filter=off; startservice firewall")
    assert "--dport" not in router.state().loaded


def test_user_firewall_scripts_run_last(fleet: EmbeddedFleet) -> None:
    for family, key, restart in (
        ("ddwrt", "rc_firewall", "startservice firewall"),
        ("freshtomato", "script_fire", "service firewall restart"),
    ):
        router = fleet.add(family)
        rules = "iptables -N MINE\niptables -A MINE -p 47 -j DROP\niptables -I FORWARD 1 -j MINE"
        router.run(f'nvram set {key}="$(cat)"; {restart}', rules)
        assert "-A MINE -p 47 -j DROP" in router.state().loaded
        lines = router.state().loaded.splitlines()
        assert next(line for line in lines if line.startswith("-A FORWARD")) == "-A FORWARD -j MINE"


def test_iptables_refuses_what_the_real_one_does(fleet: EmbeddedFleet) -> None:
    router = fleet.add("ddwrt")
    assert router.run("iptables -N X && iptables -N X").status == 1
    assert router.run("iptables -A NONE -j DROP").status == 1
    assert router.run("iptables -D FORWARD -p 99 -j DROP").status == 1
    assert (
        router.run("ip6tables -S").stdout
        == "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n"
    )
    assert "-N X" not in router.run("ip6tables -S").stdout
    assert router.run("iptables -F X; iptables -X X; iptables -S X").status == 1


def test_a_vyatta_session_commits_at_once_or_not_at_all(walled: EmbeddedFleet) -> None:
    """1. uncommitted: not there; 2. committed: runs, gone after a reboot; 3. saved: stays."""
    router = walled.add("vyos")
    source = "source /opt/vyatta/etc/functions/script-template\n"
    show = "run show configuration commands\n"

    def session(*lines: str) -> str:
        return router.run("vbash -s", source + "\n".join((*lines, show))).stdout

    line = "set firewall group x description 'a b'"
    assert line not in session("configure", line, "exit")
    assert line in session("configure", line, "commit", "exit")
    router.reboot(0)
    assert line not in session("")
    session("configure", line, "commit", "save", "exit")
    router.reboot(0)
    assert line in session("")
    assert line not in session("configure", "delete firewall group x", "commit", "exit")


def test_the_kernel_release_is_that_of_the_router(fleet: EmbeddedFleet) -> None:
    for family, release in (("asuswrt", "4.1.51"), ("freshtomato", "2.6.36.4")):
        assert fleet.add(family).run("uname -r").stdout == f"{release}\n"


def test_conntrack_takes_out_what_is_asked(fleet: EmbeddedFleet) -> None:
    router = fleet.add("openwrt")
    router.write(
        "/emulated/ram/conntrack", "ipv4 2 udp 17 58 sport=9 dport=1701\nipv4 2 tcp 6 1 dport=80\n"
    )
    assert router.run("conntrack -D -f ipv4 -p 17 --orig-port-dst 1701").status == 0
    assert router.run("conntrack -L").stdout == "ipv4 2 tcp 6 1 dport=80\n"
    assert router.run("conntrack -D -p 17").status == 1
