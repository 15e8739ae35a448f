"use strict";
(() => {
  const root = document.documentElement;
  const toggle = document.getElementById("theme");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const label = () => { toggle.textContent = isDark() ? "Light" : "Dark"; };
  toggle.hidden = false;
  toggle.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });
  dark.addEventListener("change", label);
  label();

  // A line of text below everything that scrolls to the side says so.
  for (const box of document.querySelectorAll(".scroll")) {
    const hint = document.createElement("p");
    hint.className = "hint";
    hint.textContent = "Scroll sideways to see the rest →";
    box.after(hint);
    const check = () => box.classList.toggle("wide", box.scrollWidth > box.clientWidth + 1);
    new ResizeObserver(check).observe(box);
    check();
  }

  const key = (cell) => {
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    const text = cell.textContent.trim().replace("−", "-");
    const number = /^[+-]?[\d.]/.test(text) ? parseFloat(text) : NaN;
    return cell.classList.contains("number") ? number : text;
  };
  const missing = (value) => value === "" || Number.isNaN(value);
  const compare = (a, b, sign) => {
    if (missing(a) || missing(b)) return missing(a) - missing(b);
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", { numeric: true });
  };
  const sort = (table, header) => {
    const index = [...header.parentNode.children].indexOf(header);
    const first = header.classList.contains("number") ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    const order = header.getAttribute("aria-sort") === first ? second : first;
    for (const other of header.parentNode.children) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", order);
    const body = table.tBodies[0];
    const rows = [...body.rows].filter((row) => !row.classList.contains("summary"));
    const rest = [...body.rows].filter((row) => row.classList.contains("summary"));
    const sign = order === "ascending" ? 1 : -1;
    rows.sort((a, b) => compare(key(a.cells[index]), key(b.cells[index]), sign));
    body.append(...rows, ...rest);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    for (const header of table.querySelectorAll("thead th[aria-sort]")) {
      header.querySelector("button").addEventListener("click", () => sort(table, header));
    }
  }
})();
