"""``passthru rollback``: bring routers back to what the journal has of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from compiler.cli.options import extra_variables, named, output_option
from compiler.cli.push import run_jobs
from compiler.cli.push_options import journal_folder, reach_options, wave_options
from compiler.errors import UsageError
from compiler.model.finding import Code


@click.command("rollback")
@click.option("--to", metavar="RUN", default="", help="To the state that this run left.")
@click.option("--before", metavar="RUN", default="", help="To the state that this run found.")
@click.option("--force", is_flag=True, help="Also routers that somebody has changed since.")
@click.option("-i", "--inventory", multiple=True, metavar="PATH", help="Inventory (repeatable).")
@click.option(
    "-p", "--policy", multiple=True, metavar="PATH", help="Folders of variables beside a policy."
)
@click.option("-l", "--limit", default="", metavar="PATTERN", help="Only these hosts.")
@click.option("-e", "--extra-vars", multiple=True, metavar="K=V|@FILE", help="Variables that win.")
@click.option(
    "--vault-password-file", multiple=True, metavar="PATH", help="Password for !vault values."
)
@reach_options
@wave_options
@click.option("--check", is_flag=True, help="Write nothing: say what would change.")
@output_option("text", "jsonl")
def rollback_command(to: str, before: str, force: bool, **options: Any) -> int:  # noqa: FBT001
    """Undo the newest run that changed something, through the same transaction as a push.

    With --to or --before, go to another state that the journal has. The policy is not read.
    """
    from compiler.build.registry import installed  # noqa: PLC0415 - keeps --help quick
    from compiler.fleet.history import History  # noqa: PLC0415
    from compiler.fleet.journal import Kind  # noqa: PLC0415
    from compiler.fleet.rollback import Recorded, goal  # noqa: PLC0415
    from compiler.fleet.store import Store  # noqa: PLC0415
    from compiler.inventory import load  # noqa: PLC0415

    if to and before:
        raise UsageError.of(Code.U801, "give --to or --before, not both")
    if options["vault_password_file"]:
        from compiler.source import vault  # noqa: PLC0415

        vault.use_keys(vault.VaultKeys.from_options(options["vault_password_file"]))
    inventory = load(
        list(named(options["inventory"], "inventory")),
        playbook_dirs=_folders(named(options["policy"], "policy")),
        extra_vars=extra_variables(options["extra_vars"]),
    )
    hosts = frozenset(inventory.match("all", limit=options["limit"])) if options["limit"] else None
    store = Store(journal_folder(options["journal"]))
    try:
        history = History(store)
        wanted = goal(history, to, before)
        jobs = Recorded(history, inventory, installed()).jobs(wanted, hosts, force=force)
    finally:
        store.close()
    click.echo(f"{'to' if wanted.left else 'before'} run {wanted.run.id}", err=True)
    return run_jobs(jobs, Kind.ROLLBACK, options)


def _folders(policies: tuple[str, ...]) -> list[Path]:
    """Give the folders whose group_vars and host_vars count, whatever the policies say."""
    paths = [Path(policy) for policy in policies]
    return list(dict.fromkeys(path if path.is_dir() else path.parent for path in paths))
