"""A report in headless Chromium: a page of ours beside it reads it and presses its buttons."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
_DARK = ("--force-dark-mode", "--blink-settings=preferredColorScheme=0")
_DRIVER = """<!doctype html><meta charset="utf-8"><iframe id="f" src="{page}"
style="width:{width}px;height:{height}px;border:0"></iframe><pre id="out">nothing</pre><script>
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
document.getElementById("f").addEventListener("load", async () => {{
  const page = document.getElementById("f").contentWindow, doc = page.document;
  let out;
  try {{ out = await (async () => {{ {steps} }})(); }}
  catch (error) {{ out = {{error: String(error)}}; }}
  document.getElementById("out").textContent = JSON.stringify(out);
}});
</script>"""


def chromium() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def run(page: Path, steps: str, width: int = 1280, *, dark: bool = False) -> Any:
    """Load a page, run JavaScript beside it (``doc``, ``page``, ``wait``), give what it returns."""
    driver = page.with_name("driver.html")
    driver.write_text(_DRIVER.format(page=page.name, steps=steps, width=width, height=900))
    look = _DARK if dark else ()
    said = _chromium(driver, "--dump-dom", "--allow-file-access-from-files", *look)
    found = re.search(r'<pre id="out">(.*?)</pre>', said, re.DOTALL)
    assert found, said[:2000]
    return json.loads(html.unescape(found[1]))


def screenshot(page: Path, picture: Path, width: int, height: int, *, dark: bool = False) -> None:
    """Take a picture; a window is never narrower than 500 pixels, so a frame is."""
    frame = page.with_name("frame.html")
    frame.write_text(_DRIVER.format(page=page.name, steps="", width=width, height=height))
    look = _DARK if dark else ()
    size = f"--window-size={width + 16},{height + 16}"
    _chromium(frame, f"--screenshot={picture}", size, *look)


def _chromium(page: Path, *options: str) -> str:
    program = chromium()
    assert program
    home = page.parent / "chromium"
    common: tuple[str, ...] = (
        *("--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
        *("--virtual-time-budget=8000", f"--user-data-dir={home}"),
    )
    if os.geteuid() == 0:  # its sandbox does not work for root
        common = (*common, "--no-sandbox")
    done = subprocess.run(
        [program, *common, *options, page.as_uri()],
        capture_output=True, text=True, timeout=180, check=False,
        env={**os.environ, "HOME": str(page.parent)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
