"""The panel in a real browser with 10,000 runs: its size, how soon runs stand there, scrolling, a card. JSON lines.

A real JupyterLab in the system's Chromium. "Drawn" is from the end of the server's answer to the second frame after the
rows are in the page, so layout and paint are in it; a card is from the end of its answer until it stands in the page.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench")]

import api  # noqa: E402
from playwright.sync_api import Page, sync_playwright  # noqa: E402

from browser import labs  # noqa: E402

BUNDLE_KB, DRAWN_MS, CARD_MS = 150, 300, 10
WATCH = """
new MutationObserver(() => {
  if (!window.drawn && document.querySelector('.nbmlops-virtual .nbmlops-link')) {
    window.drawn = -1;
    requestAnimationFrame(() => requestAnimationFrame(() => { window.drawn = performance.now(); }));
  }
}).observe(document, {childList: true, subtree: true});
"""
ANSWERED = """part => performance.getEntriesByType('resource').filter(e => e.name.includes(part))[0].responseEnd"""
# What scripts do for each of 200 steps down the list, and the longest time between two frames.
SCROLL = """async () => {
  const box = document.querySelector('.nbmlops-virtual').closest('.nbmlops-section-body');
  const gaps = [];
  let before = performance.now();
  for (let step = 0; step < 200; step++) {
    box.scrollTop += 400;
    await new Promise(requestAnimationFrame);
    gaps.push(performance.now() - before);
    before = performance.now();
  }
  return gaps;
}"""
CARD = """async at => {
  const rows = [...document.querySelectorAll('.nbmlops-virtual .nbmlops-row')];
  const row = rows[at];
  performance.clearResourceTimings();
  const stands = new Promise(done => new MutationObserver((_, watch) => {
    if (document.querySelector('.nbmlops-virtual .nbmlops-card')) { watch.disconnect(); done(performance.now()); }
  }).observe(row.parentElement, {childList: true, subtree: true}));
  row.querySelector('.nbmlops-caret').click();
  const stood = await stands;
  let asked = [];
  while (!asked.length) {  // the browser writes down later what it timed
    await new Promise(requestAnimationFrame);
    asked = performance.getEntriesByType('resource').filter(e => e.name.includes('/nbmlops/api/runs/'));
  }
  row.querySelector('.nbmlops-caret').click();
  await new Promise(requestAnimationFrame);
  return stood - asked[0].responseEnd;
}"""


def main() -> None:
    """Build, fill a store, look, and print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=api.RUNS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only-size", action="store_true", help="build and weigh, without a browser")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        built = build(Path(folder))
        weigh(built)
        if not options.only_size:
            look(Path(folder), built, options)


def build(folder: Path) -> Path:
    """Build the extension as for a release, elsewhere; return the folder Lab takes it from."""
    copied = folder / "extension"
    left = shutil.ignore_patterns("node_modules", "lib", "*.tsbuildinfo", ".yarn")
    shutil.copytree(ROOT / "extension", copied, ignore=left)
    (copied / "node_modules").symlink_to(ROOT / "extension" / "node_modules")
    place = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in (["node_modules/.bin/tsc"], ["jupyter-builder", "build", "."]):
        subprocess.run(command, cwd=copied, env=place, check=True, capture_output=True)
    return folder / "src" / "nbmlops" / "labextension"


def weigh(built: Path) -> None:
    """Print how large everything is that a browser loads of ours."""
    scripts = [path.read_bytes() for path in sorted((built / "static").glob("*.js"))]
    say("bundle, kB", sum(map(len, scripts)) / 1000, BUNDLE_KB)
    say("bundle as it travels (gzip), kB", sum(len(gzip.compress(s)) for s in scripts) / 1000)


def look(folder: Path, built: Path, options: argparse.Namespace) -> None:
    """Open the panel a few times, scroll, open cards."""
    project = folder / "project"
    project.mkdir()
    os.chdir(project)
    api.fill(options.runs)
    extensions = folder / "extensions"
    extensions.mkdir()
    (extensions / "nbmlops").symlink_to(built)
    with labs.running(folder, project, extensions) as lab, sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(WATCH)
        drawn = [opened(lab, page) for _ in range(options.repeats)]
        say(f"drawn after the answer, {options.runs:,} runs, ms", statistics.median(drawn), DRAWN_MS, drawn)
        page.wait_for_timeout(1000)
        rows = page.locator(".nbmlops-virtual .nbmlops-row")
        cards = [page.evaluate(CARD, at) for at in range(rows.count())]
        say("a card after its answer, ms", statistics.median(cards), CARD_MS, cards)
        gaps = page.evaluate(SCROLL)
        say("a frame while scrolling, ms", statistics.median(gaps), 17, [max(gaps)])
        say("rows in the page", rows.count())
        browser.close()


def opened(lab: labs.Lab, page: Page) -> float:
    """Open the panel on a fresh page; return how long its runs took to stand there, once they were answered."""
    labs.open_notebook(lab, page, "nb.ipynb")
    page.wait_for_timeout(3000)  # Lab itself has to be done
    page.evaluate("void jupyterapp.commands.execute('nbmlops:open-panel')")
    page.wait_for_function("window.drawn > 0")
    return float(page.evaluate("window.drawn") - page.evaluate(ANSWERED, "/nbmlops/api/runs?"))


def say(what: str, value: float, aim: float | None = None, each: list[float] | None = None) -> None:
    """Print a figure, with its aim and what it was made of."""
    line: dict[str, Any] = {"what": what, "value": round(value, 2)}
    if aim is not None:
        line |= {"aim": aim, "met": value <= aim}
    if each:
        line["each"] = [round(v, 1) for v in each]
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
