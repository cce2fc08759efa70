"""Findings: everything the program has to say about a file, a router or a policy.

A finding has a stable code, a severity, a place and, where one is known, the way out. The
command line prints them; exceptions carry them; reports serialise them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Severity(IntEnum):
    """How much a finding matters; larger is worse."""

    INFO = 1
    WARNING = 2
    ERROR = 3

    @property
    def word(self) -> str:
        """The lower-case word that people and JSON read."""
        return self.name.lower()


class Code(Enum):
    """Every stable code: the name is the code, the value says what it is about.

    P: policy and protocol files; I: inventory; V: variables and templates; T: targets;
    D: deviations of effects from the intent; L: lint; B: build and output;
    E: evidence, from packets; S: sessions and fleets; A: surveys of foreign configs; U: usage.
    """

    P100 = "the file cannot be read"
    P101 = "the file is not valid YAML"
    P102 = "the file does not follow its schema"
    P103 = "a key is written twice"
    P104 = "unknown protocol"
    P105 = "unknown key"
    P106 = "the file is empty"
    P107 = "the file is too large, too deep or expands without end"
    P108 = "the text is not UTF-8"
    P109 = "an address list is empty"
    P110 = "this is not an address or a network"
    P111 = "unknown zone"
    P112 = "this is not a port"
    P113 = "blocking a flow that other traffic shares needs `collateral: accept`"
    P114 = "two protocols share a flow and disagree about it"
    P115 = "this limit means nothing here"
    P116 = "a grant has expired"
    P117 = "a protocol is defined twice or contradicts the catalogue"
    P118 = "the protocol cannot be told apart as asked"
    P119 = "the exposure is impossible"
    I201 = "the inventory cannot be read"
    I202 = "the inventory is not valid"
    I203 = "unknown host or group in a pattern"
    I204 = "the host has no target"
    I205 = "the inventory holds no hosts"
    I206 = "a variable of ours is invalid"
    I207 = "a host or group name is invalid"
    I208 = "a group is its own descendant"
    I209 = "an inventory script failed"
    V301 = "undefined variable in a template"
    V302 = "invalid template"
    V303 = "the template does something that templates may not do"
    V304 = "the template does not end or grows too large"
    V305 = "a secret cannot be resolved"
    V306 = "a template loops over itself"
    T401 = "unknown target"
    T402 = "the target cannot be loaded"
    T403 = "two distributions define the same target"
    T404 = "the target needs a fact or a zone setting that is missing or invalid"
    T405 = "the router lacks something that the policy needs"
    T406 = "the target cannot express this"
    T407 = "the native text cannot be read"
    T408 = "a name cannot be used on this router"
    T409 = "this costs established traffic more than it needs to"
    D501 = "open although the policy blocks it"
    D502 = "blocked although the policy passes it"
    D503 = "the filter passes it but the NAT helper does not work"
    D504 = "the effect is unknown"
    D505 = "running tunnels survive a block"
    L601 = "an insecure protocol is passed"
    L602 = "nothing of this play is decided any more"
    L603 = "the play matches no host"
    L604 = "this can never work"
    L605 = "the block does not reach what it seems to reach"
    L606 = "a grant ends soon"
    L607 = "a default leaves this out"
    B701 = "the output cannot be written"
    B702 = "the output is stale"
    B703 = "the output folder holds something that is not ours"
    E801 = "the proof differs from the policy"
    E802 = "the lab cannot be built or fails"
    E803 = "this router cannot be proven"
    E804 = "a part of the policy is not proven"
    E851 = "the vpn tier lacks something on this machine"
    E852 = "the guest of the vpn tier failed"
    E853 = "this cannot be put up in the vpn tier"
    E871 = "the probe's server cannot be reached"
    E872 = "the probe's server does not answer to this token"
    E873 = "the probe's token cannot be used"
    E874 = "packets are lost between the two ends of the probe"
    E875 = "the probe cannot try this"
    E876 = "the probe's session broke off"
    E877 = "the probe's server cannot be put up"
    S821 = "the waves or the limit of failures are invalid"
    S822 = "the executor cannot be used"
    S823 = "the journal cannot be used"
    S824 = "the plan cannot be used"
    S825 = "the router is not in the plan, or is not what it was when the plan was made"
    S826 = "there is no such run"
    S827 = "a canary is not as the push left it"
    S828 = "the run stopped before its end"
    S829 = "no answer came; what holds on the router is unclear"
    S830 = "a worker was lost, and the router was pushed to again"
    S831 = "the recorded state cannot be restored"
    S801 = "the router cannot be reached"
    S802 = "the router's host key is not known"
    S803 = "the router's host key is another one than before"
    S804 = "the router refuses the log-in"
    S805 = "the router offers no algorithm that is spoken here"
    S806 = "the connection broke off"
    S807 = "a step took too long"
    S808 = "the router's answer cannot be used"
    S809 = "a connection variable is invalid"
    S810 = "another push is at work on this router"
    S811 = "the router has changed since the plan was made"
    S812 = "the files could not be brought onto the router"
    S813 = "the router refuses the new settings"
    S814 = "the dead-man could not be armed"
    S815 = "applying the settings failed"
    S816 = "the router does not have the settings that were applied"
    S817 = "the former settings were brought back"
    S818 = "what holds on the router is not certain"
    S819 = "not pushed"
    S851 = "nothing says from where the web interface is reached"
    S852 = "the certificate of the web interface is not known"
    S853 = "the certificate of the web interface is another one than before"
    S854 = "somebody else is logged in to the router"
    S855 = "the router allows no log-in for now"
    S856 = "nothing keeps two pushes at once from the router"
    A801 = "the zones were concluded from the text"
    A802 = "the text does not tell where the LAN or the WAN is"
    A803 = "a part of the text is not looked at"
    A804 = "what the text cannot say decides"
    A805 = "the text has a silent trap"
    A851 = "the router blocks what the policy passes"
    A852 = "the router passes what the policy blocks"
    A853 = "the router does only a part of what the policy says"
    A854 = "the NAT helper that the policy needs is not at work"
    A855 = "a kernel module that the policy needs is missing"
    A856 = "our settings are in place, and a foreign rule decides before them"
    A857 = "settings differ, and no packet notices"
    A858 = "a grant has expired, and the router still passes it"
    A859 = "what runs on the router differs from what it would load at its next boot"
    A860 = "what the router does is not known"
    A861 = "the router gave no answer"
    A862 = "the router's answer cannot be read"
    A863 = "what the policy wants of the router cannot be told"
    A864 = "a deviation that the compile predicts and the policy accepts"
    A865 = "tunnels that ran before a block may still run"
    A866 = "packets in a twin contradict what was read of the router"
    A867 = "there is no twin of the router"
    A871 = "a protocol without sound security passes"
    A872 = "a protocol without sound security can be reached from the internet"
    A873 = "a NAT helper is at work that no policy asks for"
    A881 = "the config says something that no policy can say"
    A882 = "the import would not do what the config does"
    A883 = "a part of the config stays as it is"
    U801 = "usage"
    X901 = "internal error"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A spot in a file: 1-based line and column, ``length`` characters long (0: unknown)."""

    file: str
    line: int = 0
    column: int = 0
    length: int = 0

    def __str__(self) -> str:
        """Give ``file:line:col`` as far as it is known."""
        parts = [self.file]
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say: what (code, message), how bad, where, about whom, and the way out."""

    code: Code
    message: str
    severity: Severity = Severity.ERROR
    place: Place | None = None
    hint: str = ""
    host: str = ""
    protocol: str = ""

    @property
    def sort_key(self) -> tuple[str, int, int, str, str, str]:
        """Order by place, then by code, so that output is stable."""
        place = self.place or Place("")
        return (place.file, place.line, place.column, self.code.name, self.host, self.message)
