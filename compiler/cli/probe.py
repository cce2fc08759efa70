"""``passthru probe serve`` and ``passthru probe run``: the router between two real machines."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from compiler.cli.manners import verbosity
from compiler.cli.options import output_option
from compiler.cli.report import print_findings
from compiler.cli.table import print_table
from compiler.errors import ExitCode, ProofError, UsageError
from compiler.model.finding import Code, Finding, Severity
from compiler.source.excerpt import printable

if TYPE_CHECKING:
    from compiler.catalogue import Catalogue
    from compiler.probe.result import FlowResult, Result
    from compiler.probe.server import Serving
    from compiler.probe.session import Token

PORT = 17277
_token_option = click.option(
    "--token-file",
    metavar="FILE",
    help="File with the shared token (else $PASSTHRU_PROBE_TOKEN, else a prompt).",
)
_port_option = click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=PORT,
    show_default=True,
    help="TCP port of the control session.",
)
_protocols_option = click.option(
    "--protocols",
    metavar="NAME,...",
    multiple=True,
    help="Only these, and what is part of them (repeatable).",
)


@click.group("probe")
def probe_command() -> None:
    """Learn what the router between two machines really passes.

    `passthru probe serve` runs on a machine outside, `passthru probe run HOST` behind the router.
    """


@probe_command.command("serve")
@_port_option
@click.option("--address", metavar="ADDRESS", help="Only at this address of the machine.")
@_token_option
@_protocols_option
@click.option(
    "--clients",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="At most so many at once.",
)
@click.option("--once", is_flag=True, help="End when a client was served.")
def serve(
    port: int,
    address: str | None,
    token_file: str | None,
    protocols: Sequence[str],
    clients: int,
    once: bool,  # noqa: FBT001
) -> int:
    """Answer `passthru probe run`, and nobody else.

    Without a token it makes one and prints it, once. Ctrl-C ends it. What needs root (packets
    without ports, ports below 1024) is served where it may be; the rest goes on without.
    """
    from compiler.probe import token  # noqa: PLC0415 - keeps --help quick
    from compiler.probe.server import ANYWHERE, Serving, unavailable  # noqa: PLC0415
    from compiler.probe.session import Token  # noqa: PLC0415

    catalogue = _catalogue()
    chosen = _chosen(catalogue, protocols)
    given = token.find(token_file, lambda: None)
    serving = Serving(catalogue, port, (address,) if address else ANYWHERE, chosen, clients, once)
    for (layer4, number), why in sorted(unavailable(serving).items()):
        _tell(f"not served: {_packets(layer4, number)}, {why}")
    text = given or token.make()
    try:
        asyncio.run(_serve(serving, Token.of(text), "" if given else text))
    except KeyboardInterrupt:  # the way to end it
        _tell("ended")
    return ExitCode.OK


async def _serve(serving: Serving, token: Token, shown: str) -> None:
    from compiler.probe.server import Server  # noqa: PLC0415

    server = Server(serving, token, _tell)

    def ready() -> None:
        if shown:
            click.echo(f"token: {shown}")
            sys.stdout.flush()
        _tell(f"serving on tcp/{serving.port}; on the other machine: passthru probe run HOST")

    await server.serve(ready)


@probe_command.command("run")
@click.argument("host")
@_port_option
@_token_option
@_protocols_option
@click.option(
    "--family",
    type=click.Choice(["auto", "ipv4", "ipv6"]),
    default="auto",
    show_default=True,
    help="Over what; auto: over all that HOST has.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.5, 20),
    default=3.0,
    show_default=True,
    help="Seconds to wait for an answer.",
)
@output_option("text", "json")
def run(
    host: str,
    port: int,
    token_file: str | None,
    protocols: Sequence[str],
    family: str,
    timeout: float,
    output: str,
) -> int:
    """Try every protocol with the server at HOST; exit 2 if something is lost.

    What needs root here (packets without ports) or there and cannot be tried is said, and does not
    count as lost.
    """
    from compiler.model.protocol import Family  # noqa: PLC0415 - keeps --help quick
    from compiler.probe import token  # noqa: PLC0415
    from compiler.probe.advice import advice_of  # noqa: PLC0415
    from compiler.probe.client import Asking, probe  # noqa: PLC0415
    from compiler.probe.session import Token  # noqa: PLC0415

    catalogue = _catalogue()
    chosen = _chosen(catalogue, protocols)
    if math.isnan(timeout):
        raise UsageError.of(Code.U801, "--timeout is not a number")
    named = host.removeprefix("[").removesuffix("]")
    if not named or not named.isprintable():
        raise UsageError.of(Code.U801, "HOST is no name or address of a machine")
    text = token.find(token_file, _ask)
    if text is None:
        hint = "use --token-file or $PASSTHRU_PROBE_TOKEN; the server prints it when it starts"
        raise UsageError.of(Code.U801, "there is no token, and nobody to ask", hint=hint)
    asking = Asking(
        catalogue, named, port, None if family == "auto" else Family(family), chosen, timeout
    )
    result = asyncio.run(probe(asking, Token.of(text), _tell))
    advice = advice_of(result, catalogue)
    if output == "json":
        click.echo(json.dumps(result.data(advice), indent=1))
    else:
        _print(result)
    print_findings(
        Finding(
            Code.E874,
            f"{catalogue.protocols[name].name} ({over}): {said}",
            Severity.WARNING,
            protocol=name,
        )
        for (name, over), said in advice.items()
    )
    return _exit_code(result)


def _ask() -> str | None:
    """Ask for the token where somebody sits."""
    if not sys.stdin.isatty():
        return None
    answer: str = click.prompt("Token", hide_input=True, err=True)
    return answer


def _catalogue() -> Catalogue:
    from compiler.catalogue import builtin  # noqa: PLC0415

    return builtin()


def _chosen(catalogue: Catalogue, names: Sequence[str]) -> frozenset[str]:
    """Read ``--protocols``.

    Raises:
        UsageError: no such protocol.
    """
    found = set()
    for name in (word.strip() for item in names for word in item.split(",")):
        protocol = catalogue.get(name)
        if protocol is None:
            close = catalogue.suggest(name)
            hint = f"did you mean '{close}'?" if close else "`passthru protocols` lists them"
            raise UsageError.of(Code.U801, f"unknown protocol '{name}'", hint=hint)
        found.add(protocol.id)
    return frozenset(found)


def _packets(layer4: int, port: int) -> str:
    from compiler.model.protocol import layer4_name  # noqa: PLC0415

    return f"{layer4_name(layer4)}/{port}" if port else layer4_name(layer4)


def _tell(text: str) -> None:
    if verbosity() >= 0:
        click.echo(printable(text), err=True)


def _print(result: Result) -> None:
    for way in result.ways:
        nat = f"seen as {way.seen}: NAT" if way.translated else "no NAT"
        _tell(f"{way.family}: {way.source} to {way.server}, {nat}")
    print_table(
        ("protocol", "packets", "family", "result", ""), [_row(flow) for flow in result.flows]
    )


def _row(flow: FlowResult) -> tuple[str, ...]:
    return (flow.flow, flow.packets, flow.family, flow.state.value, flow.why)


def _exit_code(result: Result) -> int:
    """Give 2 if something is lost.

    Raises:
        ProofError: E875, nothing at all could be tried.
    """
    from compiler.probe.result import State  # noqa: PLC0415

    if result.of(State.LOST):
        return ExitCode.DIFFERENT
    if not result.of(State.PASSED):
        raise ProofError.of(Code.E875, "nothing of this could be tried")
    return ExitCode.OK
