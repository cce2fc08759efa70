"""What a proof loads for this target: the bundle's own rules and switches, nothing modelled."""

from __future__ import annotations

from compiler.model.datapath import DataPath
from compiler.model.device import Device
from targets.linux import nft
from targets.linux.options import Options
from targets.linux.render import forwarding, table_text


def data_path(table: nft.Table, device: Device, options: Options) -> DataPath:
    """Give the rules; an overlay leaves NAT and the way in to the firewall that it lies beside."""
    switches = forwarding(device) if options.gateway else ()
    return DataPath(
        nft=table_text(table),
        modelled=False,
        basis="" if options.gateway else "the table alone, beside a plain NAT of the lab",
        sysctls={name.removeprefix("net."): value for name, value in switches},
        translates=options.gateway,
        guards=options.gateway,
    )
