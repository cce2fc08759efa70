"""Record anew what the real ansible-core says of every site.

Run with the Python that the tests run with, where ansible-core is installed:
``python -m tests.inventory.record_expected``. Look at the difference before committing it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.inventory.support import Site, ask_ansible, request, sites


def _write(path: Path, data: Any) -> None:
    text = data if isinstance(data, str) else json.dumps(data, indent=1, ensure_ascii=False)
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def _record(site: Site) -> None:
    listed, graph, matched = ask_ansible(request(site, do) for do in ("list", "graph", "match"))
    if not listed:
        raise SystemExit(f"ansible-inventory cannot list {site.name}")
    _write(site.folder / "expected.json", json.loads(listed))
    _write(site.folder / "expected-graph.txt", graph)
    if site.asked:
        answers = [
            [*pair, site.order(hosts)] for pair, hosts in zip(site.asked, matched, strict=True)
        ]
        lines = ",\n".join(json.dumps(answer, ensure_ascii=False) for answer in answers)
        _write(site.folder / "expected-patterns.json", f"[\n{lines}\n]")


if __name__ == "__main__":
    for each in sites():
        _record(each)
