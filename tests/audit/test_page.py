"""The HTML page: what it holds by structure, and what people see of it in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from compiler.audit.finding import Audited, AuditFinding, Cell, Standing, State
from compiler.audit.reports import writer
from compiler.audit.reports.view import View
from compiler.audit.store import Audits, Recorder
from compiler.fleet.store import Store
from compiler.model.finding import Code, Place, Severity
from tests.audit import page

needs_chromium = pytest.mark.skipif(page.chromium() is None, reason="there is no chromium")
EVIL = (
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "--><!--<script>",
    '"]}; document.title = "owned"; //',
    "\u202egnp.exe \u2028\u0000",
    "javascript:alert(1)",
)


def finding(text: str = "'pptp' is open although the policy blocks it") -> AuditFinding:
    return AuditFinding(
        *(Code.A852, Severity.ERROR, text, "pptp", ("pptp.control",), ("ipv4",), "block"),
        *(Place("policy.yml", 4, 5), ("fw_pt_pptp=1",), ("fw_pt_pptp=1 (wanted: 0)",)),
        "passthru push -l {host}",
    )


def router(name: str, *findings: AuditFinding) -> Audited:
    wrong = Standing.WRONG if findings else Standing.RIGHT
    cells = {
        "pptp": Cell("block", "pass" if findings else "drop", wrong),
        "ipsec": Cell("pass", "pass", Standing.RIGHT),
    }
    return Audited(name, "asuswrt", State.JUDGED, findings, cells, "0" * 64)


@pytest.fixture
def report(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    store = Store(tmp_path / "state")
    made = 0

    def make(*audits: list[Audited]) -> Path:
        nonlocal made
        for routers in audits:
            recorder = Recorder(store, f"run-{made}", "tester@here", "policy")
            made += 1
            for each in routers:
                recorder.add(each)
            recorder.end()
        found = Audits(store)
        last = found.by_number(recorder.number)
        path = tmp_path / "report.html"
        path.write_text("".join(writer("html")(View(found, last, found.before(last.number)))))
        return path

    yield make
    store.close()


class Elements(HTMLParser):
    """What elements a page has, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.tags[-1] if self.tags else ("", {})
        key = f"{tag} {attributes.get('type')}"
        self.texts[key] = self.texts.get(key, "") + data


def test_nothing_that_a_router_is_called_becomes_markup(report: Callable[..., Path]) -> None:
    plain = Elements(report([router("r1", finding())]).read_text())
    evil = [router(name, finding(name)) for name in EVIL]
    text = report(evil).read_text()
    found = Elements(text)
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in plain.tags]
    data = json.loads(found.texts["script application/json"])
    assert len(data["routers"]) == len(EVIL)
    assert "\u202e" not in text
    assert "\u2028" not in text


def test_the_page_loads_nothing_and_lets_only_its_own_script_run(
    report: Callable[..., Path],
) -> None:
    text = report([router("r1")]).read_text()
    assert not re.search(r"(?:src|href)=[\"'](?!#)|url\(|@import|https?://", text)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


def test_ten_thousand_routers_fit(report: Callable[..., Path]) -> None:
    """Every router has findings of its own words."""
    routers = [
        router(f"branch-{n:05}.example.net", finding(f"rule {n} is above ours"), finding())
        for n in range(10_000)
    ]
    assert report(routers).stat().st_size < 10_000_000


@needs_chromium
def test_a_hostile_name_is_shown_and_does_not_run(report: Callable[..., Path]) -> None:
    path = report([router(name, finding(name)) for name in EVIL])
    seen = page.run(
        path,
        """doc.querySelectorAll(".open").forEach((b) => b.click()); await wait(200);
        return {title: doc.title, text: doc.body.innerText, scripts: doc.scripts.length,
          images: doc.images.length};""",
    )
    assert seen["title"] == "passthru audit run-0"
    assert EVIL[0] in seen["text"]
    assert (seen["scripts"], seen["images"]) == (2, 0)


@needs_chromium
def test_the_matrix_is_filtered_and_says_so(report: Callable[..., Path]) -> None:
    routers = [router(f"r{n:03}", *([finding()] if n % 10 == 0 else [])) for n in range(250)]
    seen = page.run(
        report(routers),
        """const set = async (id, value, kind) => { const e = doc.getElementById(id);
          e.value = value; e.dispatchEvent(new page.Event(kind)); await wait(300);
          const rows = doc.querySelectorAll("#rows > tr").length;
          return [doc.getElementById("count").textContent, rows,
            doc.querySelector("#rows .open")?.textContent]; };
        const start = [doc.getElementById("count").textContent,
          doc.querySelectorAll("#rows > tr").length, doc.querySelector("#rows .open").textContent];
        return {start, wrong: await set("standing", "wrong", "change"),
          named: await set("search", "r01", "input"), none: await set("search", "zzz", "input"),
          rule: await set("search", "fw_pt_pptp=1", "input"),
          all: (await set("search", "", "input"), await set("standing", "", "change")),
          byName: await set("order", "name", "change"),
          next: (doc.getElementById("next").click(), doc.getElementById("count").textContent),
          last: (doc.getElementById("next").click(), [doc.getElementById("next").disabled,
            doc.querySelectorAll("#rows > tr").length])};""",
    )
    assert seen["start"] == ["250 routers of 250, 1 to 100 shown", 100, "r000"]
    assert seen["wrong"] == ["25 routers of 250, 1 to 25 shown", 25, "r000"]
    assert seen["named"] == ["1 router of 250, 1 to 1 shown", 1, "r010"]
    assert seen["none"] == ["no router is like that", 0, None]
    assert seen["rule"][1] == 25
    assert seen["all"][1] == 100
    assert seen["byName"][2] == "r000"
    assert seen["next"] == "250 routers of 250, 101 to 200 shown"
    assert seen["last"] == [True, 50]


@needs_chromium
def test_findings_open_with_their_evidence_and_commands(report: Callable[..., Path]) -> None:
    seen = page.run(
        report([router("r1", finding()), router("r2", finding())]),
        """const button = doc.querySelector("#rows .open"); button.focus(); button.click();
        const row = doc.getElementById(button.getAttribute("aria-controls"));
        const out = {expanded: button.getAttribute("aria-expanded"), text: row.innerText,
          focused: doc.activeElement === button};
        button.click();
        return {...out, closed: button.getAttribute("aria-expanded"),
          gone: doc.getElementById(button.getAttribute("aria-controls")) === null};""",
    )
    assert (seen["expanded"], seen["closed"], seen["gone"], seen["focused"]) == (
        *("true", "false", True, True),
    )
    for words in ("policy.yml:4", "fw_pt_pptp=1 (wanted: 0)", "passthru push -l r1", "A852"):
        assert words in seen["text"]


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_people_who_do_not_see_or_point_can_read_it(
    report: Callable[..., Path], *, dark: bool
) -> None:
    """Real table semantics, names for everything that takes focus, one live region, contrast."""
    path = report([router("r1", finding()), router("r2")])
    seen = page.run(path, _ACCESSIBILITY, dark=dark)
    assert (seen["paper"] == "rgb(20, 23, 27)") is dark
    assert seen["heads"] == ["Router", "Family", "Standing", "ipsec", "pptp"]
    assert seen["rowHeads"] == ["r1", "r2"]
    assert seen["live"] == 1
    assert seen["nameless"] == []
    assert seen["levels"] == ["H1", "H2", "H2", "H2"]
    assert seen["words"] == "✗ pass (wrong)"
    assert seen["wide"] is False
    assert seen["contrast"] >= 4.5, seen


_ACCESSIBILITY = """
doc.querySelector("#rows .open").click();
const text = (nodes) => [...nodes].map((n) => n.textContent);
const rgb = (s) => s.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => { const f = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 :
  ((v + 0.055) / 1.055) ** 2.4; }; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
const back = (n) => { for (; n; n = n.parentElement) {
  const c = rgb(page.getComputedStyle(n).backgroundColor); if (c.length < 4 || c[3] > 0) return c; }
  return [255, 255, 255]; };
let contrast = 99;
const SHOWN = "h1, h2, h3, p, th, td, button, label, li, li b, code, dt, summary, .badge";
for (const n of doc.querySelectorAll(SHOWN)) {
  if (!n.textContent.trim() || n.disabled) continue;
  const [a, b] = [light(rgb(page.getComputedStyle(n).color)), light(back(n))].sort((x, y) => y - x);
  contrast = Math.min(contrast, (a + 0.05) / (b + 0.05)); }
const TAKES_FOCUS = "a[href], button, input, select, summary, [tabindex='0']";
const focusable = [...doc.querySelectorAll(TAKES_FOCUS)];
const name = (n) => n.getAttribute("aria-label") || n.labels?.[0]?.textContent || n.textContent;
return {heads: text(doc.querySelectorAll("#heads th[scope=col]")),
  rowHeads: text(doc.querySelectorAll("#rows th[scope=row]")),
  live: doc.querySelectorAll("[aria-live]").length,
  nameless: focusable.filter((n) => !name(n).trim()).map((n) => n.outerHTML),
  levels: [...doc.querySelectorAll("h1, h2")].map((n) => n.tagName),
  paper: page.getComputedStyle(doc.body).backgroundColor,
  words: doc.querySelector("#rows td.wrong:last-child").textContent,
  wide: doc.documentElement.scrollWidth > doc.documentElement.clientWidth, contrast};
"""


@needs_chromium
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_drawn_in_the_users_colours_at_every_width(
    report: Callable[..., Path], tmp_path: Path, width: int, *, dark: bool
) -> None:
    path = report([router("r1", finding())], [router("r1", finding()), router("r2")])
    picture = tmp_path / "page.png"
    page.screenshot(path, picture, width, 900, dark=dark)
    assert picture.stat().st_size > 5000
    assert page.run(path, _WIDTH, width)["wide"] is False


_WIDTH = """const root = doc.documentElement;
return {wide: root.scrollWidth > root.clientWidth};"""


@needs_chromium
def test_changes_and_the_trend_are_told(report: Callable[..., Path]) -> None:
    before = [router("r1", finding()), router("r2")]
    after = [router("r1"), router("r2", finding())]
    seen: Any = page.run(
        report(before, after),
        """return {changed: doc.getElementById("changed").innerText,
        bars: doc.querySelectorAll(".bar").length,
        table: doc.getElementById("history").textContent};""",
    )
    assert "2 changes since run-0" in seen["changed"]
    assert seen["changed"].index("+ appeared") > 0
    assert "\u2212 went" in seen["changed"]
    assert seen["bars"] == 2
    assert "run-1" in seen["table"]


@needs_chromium
def test_ten_thousand_routers_are_drawn(report: Callable[..., Path]) -> None:
    routers = [router(f"b{n:05}", finding(f"rule {n} is above ours")) for n in range(10_000)]
    seen = page.run(
        report(routers),
        """const e = doc.getElementById("search"); e.value = "rule 9999 "; const t = Date.now();
        e.dispatchEvent(new page.Event("input")); await wait(400);
        return {rows: doc.querySelectorAll("#rows > tr").length,
          first: doc.querySelector("#rows .open").textContent};""",
    )
    assert seen == {"rows": 1, "first": "b09999"}
