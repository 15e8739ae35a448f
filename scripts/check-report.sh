#!/usr/bin/env bash
# check-report.sh [REPORT.html]: opens a report in headless Chromium, 400 and 1280 pixels wide, light and
# dark. It fails on messages in the console, on requests to anything but files, on a page wider than its
# window, on tables that do not sort, on wide tables without a hint or a fixed first column, and on
# figures whose text has too little contrast. Without an argument it checks the report of the tests'
# fixture, which `cargo test -p allround --lib render` writes to target/report-fixture.
set -euo pipefail
cd "$(dirname "$0")/.."
report=${1:-target/report-fixture/report.html}
[ -f "$report" ] || { echo "check-report: no $report; run: cargo test -p allround --lib render" >&2; exit 2; }
browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -n "$browser" ] || { echo "check-report: skipped, Chromium is missing (Debian: apt-get install chromium)" >&2; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The report is shown in frames of one page, so that one run sees every width; frames made from text share its origin.
python3 - "$report" "$work/page.html" <<'PYTHON'
import html, json, sys
report = open(sys.argv[1], encoding="utf-8").read()
frames = "".join(
    f'<iframe data-width="{width}" width="{width}" height="900" srcdoc="{html.escape(report)}"></iframe>' for width in (400, 1280)
)
check = """
// Contrast of two colours as in WCAG 2.2.
const luminance = (colour) => {
  const parts = colour.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255);
  const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
};
const contrast = (a, b) => {
  const [low, high] = [luminance(a), luminance(b)].sort((a, b) => a - b);
  return high / low;
};
addEventListener("load", () => {
  const faults = [];
  let tables = 0, wide = 0;
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, width = frame.dataset.width;
    const fault = (text) => faults.push(width + " px: " + text);
    if (!page.querySelector("h1") || !page.querySelector("#results")) fault("the page is missing");
    for (const theme of ["light", "dark"]) {
      page.documentElement.dataset.theme = theme;
      const over = page.documentElement.scrollWidth - page.documentElement.clientWidth;
      if (over > 0) fault(theme + ": the page is " + over + " px wider than its window");
      const style = (element) => frame.contentWindow.getComputedStyle(element);
      for (const text of page.querySelectorAll("figure svg text")) {
        // White numbers in discs are on a model's colour, which is measured against the paper elsewhere.
        const paper = style(text.closest(".scroll")).backgroundColor;
        if (style(text).fill === paper) continue;
        const found = contrast(style(text).fill, paper);
        if (found < 4.5) fault(theme + ": contrast " + found.toFixed(1) + " of the text " + text.textContent.trim());
      }
    }
    const before = page.documentElement.dataset.theme;
    page.getElementById("theme").click();
    if (page.documentElement.dataset.theme === before) fault("the theme button does nothing");
    for (const table of page.querySelectorAll("table.sortable")) {
      tables += 1;
      const heads = [...table.querySelectorAll("thead th[aria-sort]")];
      for (const [column, head] of heads.entries()) {
        for (const wanted of [1, -1]) {
          head.querySelector("button").click();
          const sign = head.getAttribute("aria-sort") === "ascending" ? 1 : -1;
          const cells = [...table.tBodies[0].rows].filter((row) => row.className !== "summary").map((row) => row.cells[column]);
          const values = cells.map((cell) => cell.dataset.value).filter((value) => value !== undefined).map(Number);
          if (values.some((value, index) => index > 0 && sign * (value - values[index - 1]) < 0)) {
            fault("column " + head.textContent + " is not sorted");
          }
        }
      }
    }
    for (const table of page.querySelectorAll("table")) {
      if (!table.querySelector("th[scope]")) fault("a table without scopes");
      const box = table.closest(".scroll");
      if (!box) { fault("a table that cannot scroll"); continue; }
      if (box.clientWidth === 0 || box.scrollWidth <= box.clientWidth + 1) continue;
      wide += 1;
      const hint = box.nextElementSibling;
      if (!hint || !hint.matches(".hint") || hint.getBoundingClientRect().height === 0) fault("a wide table without a hint");
      const first = table.querySelector("tbody th");
      const before = first.getBoundingClientRect().left;
      box.scrollLeft = box.scrollWidth;
      if (Math.abs(first.getBoundingClientRect().left - before) > 1) fault("a first column that moves");
    }
    for (const entry of frame.contentWindow.performance.getEntriesByType("resource")) fault("loads " + entry.name);
    for (const picture of page.querySelectorAll("svg")) {
      if (!picture.querySelector("title")) fault("a figure without a name");
    }
  }
  if (tables === 0) faults.push("no sortable table");
  document.title = faults.length ? "FAULTS" : "PASSED";
  document.body.textContent = faults.length ? "FAULTS: " + faults.join("; ") : "PASSED with " + tables + " tables, " + wide + " wider than their window";
});
"""
with open(sys.argv[2], "w", encoding="utf-8") as page:
    page.write(f"<!DOCTYPE html><meta charset=utf-8><body>{frames}<script>{check}</script></body>")
PYTHON

flags=(--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync
  --no-first-run --user-data-dir="$work/profile" --enable-logging=stderr --log-net-log="$work/net.json")
timeout 120 "$browser" "${flags[@]}" --virtual-time-budget=10000 --dump-dom "file://$work/page.html" >"$work/dom.html" 2>"$work/log.txt" ||
  { echo "check-report: Chromium failed" >&2; tail -n 20 "$work/log.txt" >&2; exit 1; }

failed=0
verdict=$(grep -o '\(PASSED with\|FAULTS:\)[^<]*' "$work/dom.html" | head -n 1 || true)
case "$verdict" in PASSED*) ;; *) echo "check-report: ${verdict:-the checks did not run}" >&2; failed=1 ;; esac
if grep 'CONSOLE' "$work/log.txt" >&2; then echo "check-report: the console has messages" >&2; failed=1; fi
# The browser sends its own requests, whatever the page is.
if grep -oE '"url": *"(https?|wss?|ftp)://[^"]*' "$work/net.json" | grep -vE '://([a-z0-9-]+\.)*(google|googleapis|gstatic|gvt1)\.com(/|$)' >&2; then
  echo "check-report: the page requested something" >&2; failed=1
fi
[ "$failed" = 0 ] && echo "check-report: $report: $verdict"
exit "$failed"
