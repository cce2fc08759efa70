"""Look-ups, the tree, shared ports, suggestions, and what reading the built-in files costs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from compiler.catalogue import builtin
from compiler.model.protocol import ESP, TCP, UDP

ROOT = Path(__file__).resolve().parents[2]


def names(protocols: tuple[object, ...]) -> list[str]:
    return [getattr(protocol, "id", "") for protocol in protocols]


def test_get_knows_ids_and_aliases_only() -> None:
    catalogue = builtin()
    anyconnect = catalogue.get("anyconnect")
    assert anyconnect is not None
    assert anyconnect is catalogue.get("openconnect")
    assert catalogue.get("wiregaurd") is None
    assert catalogue.get("") is None


def test_tree() -> None:
    catalogue = builtin()
    assert names(catalogue.children("ipsec")) == ["ah", "ikev1", "ikev2"]
    assert catalogue.children("pptp") == ()
    parent = catalogue.parent("ikev2")
    assert parent is not None
    assert parent.id == "ipsec"
    assert catalogue.parent("ipsec") is None
    assert catalogue.parent("nonsense") is None
    assert names(catalogue.lineage("ikev1")) == ["ikev1", "ipsec"]
    assert names(catalogue.lineage("ipsec")) == ["ipsec"]
    assert catalogue.lineage("nonsense") == ()


def test_ah_follows_ipsec_only_into_a_block() -> None:
    catalogue = builtin()
    assert catalogue.protocols["ah"].follows_when == {"block"}
    assert catalogue.protocols["ikev1"].follows_when == {"pass", "block"}


@pytest.mark.parametrize(
    ("layer4", "port", "shared"),
    [
        (TCP, 443, True),
        (UDP, 443, True),
        (UDP, 3478, True),
        (UDP, 53, True),
        (TCP, 80, True),
        (TCP, 3478, False),
        (UDP, 51820, False),
        (TCP, 992, False),
        (ESP, 0, False),
        (ESP, 443, False),
    ],
)
def test_shared_port(layer4: int, port: int, *, shared: bool) -> None:
    assert any(port in ports for ports in builtin().shared_ports(layer4)) is shared


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("wiregaurd", "wireguard"),
        ("WireGuard", "wireguard"),
        ("any-connect", "anyconnect"),
        ("ike2", "ikev2"),
        ("xxxxxxxx", None),
        ("", None),
    ],
)
def test_suggest(written: str, meant: str | None) -> None:
    assert builtin().suggest(written) == meant


def test_builtin_is_read_once_sorted_and_cannot_be_changed() -> None:
    catalogue = builtin()
    assert builtin() is catalogue
    assert list(catalogue.protocols) == sorted(catalogue.protocols)
    assert all(protocol.builtin for protocol in catalogue.protocols.values())
    with pytest.raises(TypeError):
        catalogue.protocols["x"] = catalogue.protocols["pptp"]  # type: ignore[index]


COST = """
import sys
from compiler.catalogue import builtin

calls = 0

def count(frame, event, argument):
    global calls
    calls += event == "call"

sys.setprofile(count)
builtin()
sys.setprofile(None)
print(calls, "jsonschema" in sys.modules)
"""


def test_reading_is_cheap_and_needs_no_jsonschema() -> None:
    """Counted, not timed: some 30,000 calls, which take 25 ms of CPU where nothing else runs."""
    done = subprocess.run(
        [sys.executable, "-c", COST], cwd=ROOT, capture_output=True, text=True, check=True
    )
    calls, jsonschema = done.stdout.split()
    assert jsonschema == "False"
    assert int(calls) < 40_000


def test_data_is_found_inside_a_zip(tmp_path: Path) -> None:
    archive = tmp_path / "program.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        for part in ("", "model", "source", "catalogue", "catalogue/protocols", "../schemas"):
            for file in sorted((ROOT / "compiler" / part).resolve().iterdir()):
                if file.suffix in (".py", ".yaml", ".json"):
                    stream.write(file, file.relative_to(ROOT).as_posix())
    code = "from compiler.catalogue import builtin; print(len(builtin().protocols))"
    script = f"import sys; sys.path.insert(0, {str(archive)!r}); {code}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(len(builtin().protocols))
