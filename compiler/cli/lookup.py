"""Commands that look things up: ``protocols``, ``schema``, ``inventory``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from compiler.cli.options import extra_variables, named, output_option
from compiler.cli.table import print_table
from compiler.errors import ExitCode, UsageError
from compiler.model.finding import Code


@click.command("protocols")
@click.option("-p", "--policy", multiple=True, metavar="PATH", help="Add the protocols beside it.")
@output_option("text", "json")
def protocols_command(policy: tuple[str, ...], output: str) -> int:
    """List the VPN protocols: what they send, and whether NAT needs help."""
    from compiler.catalogue import builtin, extend  # noqa: PLC0415
    from compiler.policy.plays import protocol_documents  # noqa: PLC0415

    catalogue = extend(builtin(), protocol_documents([Path(path) for path in policy]))
    if output == "json":
        data = [_protocol_data(protocol) for protocol in catalogue.protocols.values()]
        click.echo(
            json.dumps({"schema": "passthru/protocols-list/v1", "protocols": data}, indent=1)
        )
        return ExitCode.OK
    rows = [
        (
            protocol.id,
            " ".join(dict.fromkeys(flow.ports_text for flow in protocol.flows)),
            protocol.nat4,
            protocol.passthrough,
            protocol.security,
        )
        for protocol in catalogue.protocols.values()
    ]
    print_table(("protocol", "sends", "IPv4 NAT", "passthrough", "security"), rows)
    return ExitCode.OK


def _protocol_data(protocol: Any) -> dict[str, Any]:
    return {
        "id": protocol.id,
        "title": protocol.title,
        "part_of": protocol.part_of,
        "aliases": list(protocol.aliases),
        "builtin": protocol.builtin,
        "nat4": protocol.nat4,
        "passthrough": protocol.passthrough,
        "security": protocol.security,
        "helper": protocol.helper.name if protocol.helper else None,
        "flows": [
            {
                "id": flow.id,
                "layer4": flow.layer4,
                "ports": [str(port) for port in flow.ports],
                "families": sorted(flow.families),
                "shared": flow.shared,
                "carried": flow.carried,
            }
            for flow in protocol.flows
        ],
    }


@click.command("schema")
@click.argument("name", required=False)
def schema_command(name: str | None) -> int:
    """Print the JSON Schema NAME (draft-07); without NAME, list them."""
    import schemas  # noqa: PLC0415

    if name is None:
        click.echo("\n".join(schemas.names()))
        return ExitCode.OK
    if name not in schemas.names():
        known = ", ".join(schemas.names())
        raise UsageError.of(Code.U801, f"there is no schema '{name[:60]}'", hint=f"known: {known}")
    click.echo(schemas.text(name), nl=False)
    return ExitCode.OK


@click.command("inventory")
@click.option("-i", "--inventory", multiple=True, metavar="PATH", help="Inventory (repeatable).")
@click.option("-e", "--extra-vars", multiple=True, metavar="K=V|@FILE", help="Variables that win.")
@click.option(
    "--list", "list_", is_flag=True, help="Everything as JSON, as ansible-inventory does."
)
@click.option("--host", metavar="NAME", help="One host's variables as JSON.")
@click.option("--graph", is_flag=True, help="Groups and hosts as a tree.")
def inventory_command(
    inventory: tuple[str, ...],
    extra_vars: tuple[str, ...],
    list_: bool,  # noqa: FBT001
    host: str | None,
    graph: bool,  # noqa: FBT001
) -> int:
    """Show hosts, groups and variables, in the forms of ansible-inventory."""
    from compiler.inventory import load  # noqa: PLC0415
    from compiler.source.secrets import plain  # noqa: PLC0415

    if sum((list_, graph, host is not None)) != 1:
        raise UsageError.of(Code.U801, "give one of --list, --host NAME and --graph")
    loaded = load(list(named(inventory, "inventory")), extra_vars=extra_variables(extra_vars))
    if graph:
        click.echo(loaded.graph())
    elif list_:
        click.echo(json.dumps(loaded.to_list_json(), indent=4))
    else:
        click.echo(json.dumps(plain(dict(loaded.host(str(host)).variables)), indent=4, default=str))
    return ExitCode.OK
