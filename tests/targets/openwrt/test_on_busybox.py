"""apply.sh and the steps of the procedure, run by BusyBox ash against stubs of uci, fw4 and nft."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from compiler.model.device import Device
from compiler.model.intent import Action, Decision, Intent, Limits
from compiler.model.protocol import UDP, ByteMatch, Signature
from compiler.model.step import StepName
from targets.openwrt import TARGET
from tests.targets.openwrt.support import V6, decision, device, intent

BUSYBOX = shutil.which("busybox")
pytestmark = pytest.mark.skipif(BUSYBOX is None, reason="busybox is not installed")

APPLETS = (
    "ash", "sh", "awk", "cat", "cmp", "cp", "cut", "find", "grep", "head", "ls", "mkdir", "mv",
    "rm", "rmdir", "sed", "sha256sum", "sort", "sync", "tail", "tr", "uname",
)  # fmt: skip
#: `-c DIR` reads another folder; a config with the word "broken" is invalid.
UCI = """#!/bin/sh
dir=$PASSTHRU_ROOT/etc/config
while :; do case $1 in -q) shift ;; -c) dir=$2; shift 2 ;; *) break ;; esac; done
case $1 in
changes) cat "$PASSTHRU_ROOT/tmp/.uci/firewall" 2> /dev/null ;;
show) ! grep -q broken "$dir/firewall" ;;
*) exit 1 ;;
esac
"""
#: `check` prints the file "warnings" and refuses a config with the word "refused"; `reload` loads
#: the names of all rules, unless the file "deaf" is there.
FW4 = """#!/bin/sh
config=$PASSTHRU_ROOT/etc/config/firewall
echo "fw4 $1" >> "$STUBS/log"
case $1 in
check)
	cat "$STUBS/warnings" 2> /dev/null
	! grep -q passthru_ "$config" || cat "$STUBS/new-warnings" 2> /dev/null
	if grep -q passthru_ "$config" && [ -f "$STUBS/refuses" ]; then exit 1; fi
	echo 'Ruleset passes nftables check.' ;;
reload)
	[ ! -f "$STUBS/deaf" ] || exit 0
	sed -n "s/^\\toption name '\\(.*\\)'\\$/\\t\\tdrop comment \\"!fw4: \\1\\"/p" "$config" \\
		> "$STUBS/loaded" ;;
esac
"""
FW3 = """#!/bin/sh
[ "$1" = reload ] || exit 0
sed -n "s/^\\toption name '\\(.*\\)'\\$/-A x --comment \\"!fw3: \\1\\" -j y/p" \\
	"$PASSTHRU_ROOT/etc/config/firewall" > "$STUBS/loaded"
"""
NFT = """#!/bin/sh
case $2 in
table) cat "$STUBS/loaded" ;;
chain) [ "$5 $6" = "helper_lan " ] || [ -f "$STUBS/all-zones" ] || exit 1
	echo 'tcp dport 1723 ct helper set "pptp"' ;;
esac
"""
CONNTRACK = '#!/bin/sh\necho "conntrack $*" >> "$STUBS/log"\nexit 1\n'
CONFIG = "config zone\n\toption name lan # it's ours\n\nconfig rule\n\toption name 'Allow'\n"
TABLE = """\
ipv4     2 udp      17 58 src=192.168.1.9 dst=192.0.2.1 sport=500 dport=1701 packets=1 src=192.0.2.1 dst=203.0.113.2 sport=1701 dport=500 mark=0
ipv4     2 tcp      6 431999 ESTABLISHED src=192.168.1.9 dst=192.0.2.1 sport=1701 dport=443 src=192.0.2.1 dst=203.0.113.2 sport=443 dport=1701
ipv6     10 udp      17 src=fd00:1:0:0:0:0:0:9 dst=2001:db8:0:0:0:0:0:1 sport=500 dport=1701 src=2001:db8:0:0:0:0:0:1 dst=fd00:1:0:0:0:0:0:9 sport=1701 dport=500 [OFFLOAD] mark=0
ipv4     2 gre      47 29 src=192.168.1.9 dst=192.0.2.1 srckey=0x1 dstkey=0x2
"""  # noqa: E501 - as the kernel prints it, offloaded ones without a timeout
BLOCK = intent(decision("l2tp", Action.BLOCK))
PPTP = intent(decision("pptp", Action.PASS))


def detecting(first: bytes) -> Intent:
    """A block that a file of ours must look into packets for."""
    found = replace(BLOCK.decisions[0], detect=((UDP, Signature((ByteMatch(0, first, b"\xff"),))),))
    return intent(found)


SEEN, OTHER = detecting(b"a"), detecting(b"b")


@dataclass(frozen=True, slots=True)
class Router:
    """A folder that stands for a router."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "etc/config/firewall"

    def stub(self, name: str, text: str = "") -> None:
        (self.root / "stubs" / name).write_text(text)

    def command(self, name: str, text: str) -> None:
        (self.root / "bin" / name).write_text(text)
        (self.root / "bin" / name).chmod(0o755)

    @property
    def log(self) -> str:
        path = self.root / "stubs/log"
        return path.read_text() if path.exists() else ""

    def put(self, wanted: Intent, router: Device | None = None) -> None:
        router = router or device()
        for file in TARGET.render(TARGET.settings(wanted, router), router).files:
            (self.root / file.path).write_bytes(file.content)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": str(self.root / "bin"),
            "STUBS": str(self.root / "stubs"),
            "PASSTHRU_ROOT": str(self.root),
        }
        return subprocess.run(
            [str(self.root / "bin/ash"), "-c", script],
            cwd=self.root, env=env, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    def apply(self, word: str = "") -> subprocess.CompletedProcess[str]:
        return self.run(f"sh ./apply.sh {word}")


@pytest.fixture
def router(tmp_path: Path) -> Router:
    for folder in ("bin", "stubs", "tmp", "etc/config", "sys/module", "proc/net"):
        (tmp_path / folder).mkdir(parents=True)
    for applet in APPLETS:
        (tmp_path / "bin" / applet).symlink_to(BUSYBOX or "")
    found = Router(tmp_path)
    for name, text in {"uci": UCI, "fw4": FW4, "nft": NFT}.items():
        found.command(name, text)
    found.config.write_text(CONFIG)
    found.config.chmod(0o600)
    (tmp_path / "proc/net/nf_conntrack").write_text("")
    found.put(BLOCK)
    return found


def merged(wanted: Intent, text: str = CONFIG) -> str:
    router = device()
    return TARGET.merge(TARGET.settings(wanted, router), text, router)


def test_puts_our_sections_in_and_loads_them(router: Router) -> None:
    done = router.apply()
    assert (done.returncode, done.stderr) == (0, "")
    assert router.config.read_text() == merged(BLOCK)
    assert router.config.stat().st_mode & 0o777 == 0o600
    assert router.log == "fw4 check\nfw4 reload\n"
    assert list(router.config.parent.iterdir()) == [router.config]
    assert not (router.root / "tmp/passthru.lock").exists()


def test_a_second_run_writes_nothing(router: Router) -> None:
    router.apply()
    before = router.config.stat()
    done = router.apply()
    assert done.returncode == 0
    assert "nothing to change" in done.stdout
    assert router.config.stat() == before
    assert router.log.count("reload") == 1


def test_an_empty_intent_takes_our_sections_out_again(router: Router) -> None:
    router.apply()
    router.put(Intent("r1"))
    assert router.apply().returncode == 0
    assert router.config.read_text() == CONFIG


@pytest.mark.parametrize(
    ("stub", "text", "says"),
    [
        ("refuses", "", "does not accept the new config"),
        ("new-warnings", "[!] Section passthru_x (y) skipped due to invalid options", "skipped"),
        ("deaf", "", "did not load"),
    ],
)
def test_refuses_or_puts_back(router: Router, stub: str, text: str, says: str) -> None:
    router.stub("loaded")
    router.stub(stub, text)
    done = router.apply()
    assert done.returncode == 1
    assert says in done.stderr
    assert router.config.read_text() == CONFIG


def test_unsaved_changes_of_others_are_named(router: Router) -> None:
    (router.root / "tmp/.uci").mkdir()
    (router.root / "tmp/.uci/firewall").write_text("firewall.x=rule\n")
    done = router.apply()
    assert (done.returncode, router.config.read_text()) == (1, CONFIG)
    assert "unsaved firewall changes" in done.stderr
    assert "firewall.x=rule" in done.stderr


def test_warnings_about_other_sections_do_not_matter(router: Router) -> None:
    router.stub("warnings", "[!] Section @include[0] is not marked as compatible with fw4\n")
    shifted = "[!] Section @include[7] is not marked as compatible with fw4\n"
    router.stub("new-warnings", f"{shifted}[!] Section @rule[3] is disabled, ignoring section\n")
    assert router.apply().returncode == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "missing or empty"),
        ("config rule broken\n", "is not valid"),
        ("config rule x\0\n", "NUL"),
        ("config rule x; option a b\n", "two commands on one line"),
    ],
)
def test_an_unsound_config_is_left_alone(router: Router, text: str, says: str) -> None:
    router.config.write_text(text)
    done = router.apply()
    assert (done.returncode, router.config.read_text()) == (1, text)
    assert says in done.stderr


def test_the_wrong_firewall_is_refused(router: Router) -> None:
    router.put(BLOCK, device("21.02"))
    done = router.apply()
    assert (done.returncode, router.log) == (1, "")
    assert "runs fw4, not fw3" in done.stderr


@pytest.fixture
def old_router(router: Router) -> Router:
    """Give a router with fw3; without the module its rules with u32 are left out."""
    (router.root / "bin/fw4").unlink()
    router.command("fw3", FW3)
    for tool in ("iptables-save", "ip6tables-save"):
        without = '[ -e "$STUBS/u32" ] || without=" signature "'
        router.command(tool, f'#!/bin/sh\n{without}\ngrep -v "${{without:-^$}}" "$STUBS/loaded"\n')
    return router


def test_fw3(old_router: Router) -> None:
    old_router.put(BLOCK, device("21.02"))
    done = old_router.apply()
    assert (done.returncode, done.stderr) == (0, "")


def test_fw3_that_cannot_look_into_packets_is_left_alone(old_router: Router) -> None:
    """1. no module; 2. the module, and iptables knows nothing of it; 3. both."""
    old_router.put(SEEN, device("21.02"))
    done = old_router.apply()
    assert "xt_u32 is missing. Run: opkg update && opkg install iptables-mod-u32" in done.stderr
    (old_router.root / "sys/module/xt_u32").mkdir()
    assert "the new rules did not load" in old_router.apply().stderr
    assert old_router.config.read_text() == CONFIG
    old_router.stub("u32")
    assert old_router.apply().returncode == 0
    step = TARGET.procedure(TARGET.settings(SEEN, device()), device()).step(StepName.FACTS)
    assert step is not None
    assert "stale=\n" in old_router.run(step.script).stdout


def test_the_helper_must_be_there_before_anything_is_touched(router: Router) -> None:
    router.put(PPTP, device("25.12"))
    done = router.apply()
    assert (done.returncode, router.log) == (1, "")
    assert "apk update && apk add kmod-nf-nathelper-extra" in done.stderr
    assert router.config.read_text() == CONFIG


def test_the_helper_must_be_assigned_in_every_zone(router: Router) -> None:
    """guest has auto_helper off: the new rules do not stay."""
    (router.root / "sys/module/nf_conntrack_pptp").mkdir()
    router.put(PPTP)
    done = router.apply()
    assert done.returncode == 1
    assert "the zone guest does not get the pptp helper" in done.stderr
    assert router.config.read_text() == CONFIG
    router.stub("all-zones")
    assert router.apply().returncode == 0


def test_cuts_running_tunnels_with_conntrack(router: Router) -> None:
    """Only what a rule of ours drops, in both families: not tcp/443 from port 1701, not GRE."""
    (router.root / "proc/net/nf_conntrack").write_text(TABLE)
    router.command("conntrack", CONNTRACK)
    assert router.apply().returncode == 0
    assert sorted(router.log.splitlines())[:-2] == [
        "conntrack -D -f ipv4 -p 17 --orig-port-dst 1701",
        "conntrack -D -f ipv6 -p 17 --orig-port-dst 1701",
    ]


def test_leaves_the_tunnels_of_another_family_alone(router: Router) -> None:
    (router.root / "proc/net/nf_conntrack").write_text(TABLE)
    router.command("conntrack", CONNTRACK)
    router.put(intent(decision("l2tp", Action.BLOCK, Limits(families=V6))))
    router.apply()
    assert router.log.endswith("reload\nconntrack -D -f ipv6 -p 17 --orig-port-dst 1701\n")


def test_cuts_protocols_without_ports(router: Router) -> None:
    (router.root / "proc/net/nf_conntrack").write_text(TABLE)
    router.command("conntrack", CONNTRACK)
    router.put(
        intent(Decision("x", Action.BLOCK, PPTP.decisions[0].flows, PPTP.decisions[0].origin))
    )
    router.apply()
    assert router.log.endswith("conntrack -D -f ipv4 -p 47\n")


def test_flushes_through_the_kernel_without_conntrack(router: Router) -> None:
    table = router.root / "proc/net/nf_conntrack"
    table.write_text(TABLE)
    assert router.apply().returncode == 0
    assert table.read_text() == "f\n"


def test_says_when_tunnels_cannot_be_cut(router: Router) -> None:
    """No table to look at or write to, and no conntrack: the rules stay, the status says it."""
    (router.root / "proc/net/nf_conntrack").unlink()
    (router.root / "proc/net").rmdir()
    done = router.apply()
    assert done.returncode == 3
    assert "still run: install conntrack" in done.stderr
    assert router.config.read_text() == merged(BLOCK)


def test_steps_one_by_one_and_back(router: Router) -> None:
    """stage, check, apply, verify, rollback: the file is then as it was."""
    steps = TARGET.procedure(TARGET.settings(BLOCK, device()), device()).steps
    scripts = {step.name: step.script for step in steps}
    assert router.run(scripts[StepName.READ]).stdout == CONFIG
    for name in (StepName.STAGE, StepName.CHECK, StepName.ARM):
        assert router.run(scripts[name]).returncode == 0
        assert router.config.read_text() == CONFIG
    for name in (StepName.APPLY, StepName.VERIFY):
        assert router.run(scripts[name]).returncode == 0
        assert router.config.read_text() == merged(BLOCK)
    for _ in range(2):
        assert router.run(scripts[StepName.ROLLBACK]).returncode == 0
        assert router.config.read_text() == CONFIG


def test_a_config_that_changes_after_staging_is_not_overwritten(router: Router) -> None:
    router.apply("stage")
    router.config.write_text(CONFIG + "config rule new\n")
    done = router.apply("apply")
    assert (done.returncode, "stage again" in done.stderr) == (1, True)
    assert router.config.read_text() == CONFIG + "config rule new\n"


def test_one_run_at_a_time(router: Router) -> None:
    lock = router.root / "tmp/passthru.lock"
    lock.write_text(f"{os.getpid()}\n")
    assert "another run" in router.apply().stderr
    assert router.config.read_text() == CONFIG
    lock.write_text("")  # whoever had it was killed
    assert router.apply().returncode == 0
    assert router.config.read_text() == merged(BLOCK)


def test_no_run_by_hand_beside_a_push(router: Router) -> None:
    """Whichever came first; a lease that has expired keeps nobody."""
    leases = router.root / "tmp/passthru-push"
    leases.mkdir()
    (leases / "lease.1").symlink_to("eve/run-8/abc/1")
    (leases / "lease.2").symlink_to("eve/run-9/abd/99999999999")
    assert "a push has not ended" in router.apply().stderr
    assert router.config.read_text() == CONFIG
    lock = router.root / "tmp/passthru.lock"
    assert not lock.exists()
    (leases / "lease.2").unlink()
    assert router.apply("stage").returncode == 0
    lock.write_text(f"{os.getpid()}\n")
    pushed = router.run("PASSTHRU_STATE=$PWD; set -- apply; . ./apply.sh")
    assert "a run by hand has not ended" in pushed.stderr
    assert router.config.read_text() == CONFIG


def test_facts_step(router: Router) -> None:
    (router.root / "etc/openwrt_release").write_text(
        "DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='24.10.2'\n"
    )
    for module in ("nf_conntrack_pptp", "nf_nat_pptp", "xt_u32"):
        (router.root / "sys/module" / module).mkdir()
    forwards = router.root / "proc/sys/net/ipv6/conf/all/forwarding"
    forwards.parent.mkdir(parents=True)
    forwards.symlink_to("/proc/sys/net/ipv4/tcp_sack")  # a real one, which reads as no file does
    expected = str(forwards.read_text() == "1\n").lower()
    steps = TARGET.procedure(TARGET.settings(BLOCK, device()), device())
    step = steps.step(StepName.FACTS)
    assert step is not None
    done = router.run(step.script)
    facts = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert facts.pop("kernel")
    assert facts == {
        "release": "24.10.2",
        "firewall": "fw4",
        "package_manager": "opkg",
        "ipv6": expected,
        "modules": "nf_conntrack_pptp nf_nat_pptp xt_u32",
        "stale": "",
    }


def included(router: Router) -> list[str]:
    folder = router.root / "etc/passthru"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def file_of(wanted: Intent) -> str:
    bundle = TARGET.render(TARGET.settings(wanted, device()), device())
    (name,) = [file.path for file in bundle.files if file.path.startswith("signatures-")]
    return name


def test_the_included_file_is_there_first_and_outlives_a_system_upgrade(router: Router) -> None:
    """sysupgrade saves what the lines in keep.d name, after the shell has expanded them."""
    router.put(SEEN)
    done = router.apply()
    assert (done.returncode, done.stderr) == (0, "")
    name = file_of(SEEN)
    assert included(router) == [name]
    assert (router.root / "etc/passthru" / name).read_bytes() == (router.root / name).read_bytes()
    kept = router.run('find $(sed "s#^#$PASSTHRU_ROOT#" "$PASSTHRU_ROOT"/lib/upgrade/keep.d/*)')
    assert sorted(kept.stdout.split()) == [
        f"{router.root}/etc/passthru/{name}",
        f"{router.root}/lib/upgrade/keep.d/passthru",
    ]


def test_the_file_of_the_way_back_stays_and_older_ones_go(router: Router) -> None:
    router.put(SEEN)
    router.apply()
    router.put(OTHER)
    assert router.apply().returncode == 0
    assert included(router) == sorted([file_of(SEEN), file_of(OTHER)])
    router.put(BLOCK)
    assert router.apply().returncode == 0
    assert included(router) == [file_of(OTHER)]
    router.put(Intent("r1"))
    assert router.apply().returncode == 0
    assert included(router) == []
    assert not (router.root / "lib/upgrade/keep.d/passthru").exists()
    assert router.config.read_text() == CONFIG


@pytest.mark.parametrize("damage", ["lost", "torn"])
def test_a_file_that_is_lost_or_torn_is_put_back(router: Router, damage: str) -> None:
    """The config is what it should be, and yet there is something to do."""
    router.put(SEEN)
    router.apply()
    file = router.root / "etc/passthru" / file_of(SEEN)
    if damage == "lost":
        file.unlink()
    else:
        file.write_text("# Marks")
    assert router.apply("verify").returncode == 1
    done = router.apply()
    assert (done.returncode, done.stderr) == (0, "")
    assert router.log.count("reload") == 2
    assert router.apply("verify").returncode == 0
    assert "nothing to change" in router.apply().stdout


@pytest.mark.parametrize("stub", ["refuses", "deaf"])
def test_a_config_that_does_not_stay_leaves_no_file(router: Router, stub: str) -> None:
    router.stub("loaded")
    router.stub(stub)
    router.put(SEEN)
    assert router.apply().returncode == 1
    assert router.config.read_text() == CONFIG
    assert included(router) == []


def test_the_way_back_finds_the_old_file(router: Router) -> None:
    """What is kept is the config alone: its file must still be there, and the new one goes."""
    router.put(SEEN)
    router.apply()
    before = router.config.read_text()
    router.put(OTHER)
    steps = TARGET.procedure(TARGET.settings(OTHER, device()), device()).steps
    scripts = {step.name: step.script for step in steps}
    for name in (StepName.STAGE, StepName.ARM, StepName.APPLY, StepName.ROLLBACK):
        assert router.run(scripts[name]).returncode == 0
    assert router.config.read_text() == before
    assert included(router) == [file_of(SEEN)]


def test_a_folder_that_cannot_be_written_stops_before_the_config(router: Router) -> None:
    (router.root / "etc/passthru").write_text("in the way")
    router.put(SEEN)
    done = router.apply()
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert router.config.read_text() == CONFIG
    assert "reload" not in router.log


def stale(router: Router) -> str:
    (router.root / "etc/openwrt_release").write_text("DISTRIB_RELEASE='24.10.2'\n")
    steps = TARGET.procedure(TARGET.settings(SEEN, device()), device())
    step = steps.step(StepName.FACTS)
    assert step is not None
    facts = dict(line.split("=", 1) for line in router.run(step.script).stdout.splitlines())
    return facts["stale"]


def test_facts_tell_of_a_file_that_is_not_what_it_was(router: Router) -> None:
    router.put(SEEN)
    router.apply()
    assert stale(router) == ""
    with (router.root / "etc/passthru" / file_of(SEEN)).open("a") as file:
        file.write("# edited\n")
    assert stale(router) == "loaded-rules"
    (router.root / "etc/passthru" / file_of(SEEN)).unlink()
    assert stale(router) == "loaded-rules"
