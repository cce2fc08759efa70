"""Reading what the routers print: commands, trees, terminals in between, and cut-off texts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.errors import NativeError
from compiler.model.finding import Code
from compiler.vyatta.read import read
from compiler.vyatta.text import command
from targets.edgeos import TARGET as EDGEOS
from targets.vyos import TARGET as VYOS
from tests.vyatta.support import edgeos, vyos

COMMANDS = """\
set firewall name WAN_OUT rule 1 action 'drop'
set firewall name WAN_OUT rule 1 description 'passthru:gre block'
set firewall name WAN_OUT rule 1 protocol '47'
set firewall name WAN_OUT rule 2 description "somebody's"
set system conntrack modules pptp disable
set system ntp
"""
TREE = """\
firewall {
    /* a remark { */
    name WAN_OUT {
        rule 1 {
            action drop
            description "passthru:gre block"
            protocol 47
        }
        rule 2 {
            description "somebody's"
        }
    }
}
system {
    conntrack {
        modules {
            pptp {
                disable
            }
        }
    }
    ntp {
    }
}
"""


def paths(text: str) -> list[tuple[str, ...]]:
    return sorted(found.path for found in read(text, "f"))


def test_both_forms_mean_the_same() -> None:
    assert paths(TREE) == paths(COMMANDS)
    ours = EDGEOS.parse(COMMANDS, edgeos())
    assert ours == EDGEOS.parse(TREE, edgeos())
    assert len(ours.paths) == 3
    assert ours.helper == "off"


def test_what_terminals_add_is_no_part_of_the_config() -> None:
    """Banner, prompts, echo, carriage returns, colours: all as a recorded session has them."""
    banner = "Linux router 5.15\r\nWelcome to VyOS!\r\n\r\nCheck out project news at a site {\r\n"
    for text, end in ((COMMANDS, "commands"), (TREE, "")):
        crlf = text.replace("\n", "\x1b[K\r\n")
        session = f"vyos@vyos:~$ show configuration {end}\r\n{crlf}vyos@vyos:~$ "
        assert paths(session) == paths(text)
    assert paths(banner.replace(" {", "") + COMMANDS) == paths(COMMANDS)


def test_an_empty_node_and_one_on_a_line() -> None:
    assert paths("interfaces {\n  loopback lo {\n  }\n}\nprotocols {}\n") == [
        ("interfaces", "loopback", "lo"),
        ("protocols",),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\r\n \n",
        "vyos@vyos:~$ show configuration commands\r\nInvalid command\r\n",
        COMMANDS[:-30] + "'",
        COMMANDS + "--More--\n",
        COMMANDS + "Connection to router closed\n",
        TREE[:-2],
        TREE[: TREE.index("protocol")],
        TREE + "}\n",
        TREE + "%% error\n",
        "set a 'b\n",
        "delete system host-name\n",
        "# passthru: begin\nset system host-name x\n",
    ],
)
def test_refuses_what_is_cut_off_or_something_else(text: str) -> None:
    with pytest.raises(NativeError) as caught:
        VYOS.merge(VYOS.parse(text, vyos()), text, vyos())
    assert {found.code for found in caught.value.findings} == {Code.T407}


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0\x1b\x07\x08"), min_size=1)


@settings(max_examples=100, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=4))
def test_a_printed_command_reads_back(words: list[str]) -> None:
    assert paths(f"{command(tuple(words))}\n")[0] == tuple(words)
