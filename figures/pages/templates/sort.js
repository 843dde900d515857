// A click on a header sorts its table by that column, a second click the other way; cells without a number come last.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], headers = [...table.tHead.rows[0].cells];
  const number = (cell) => {
    const found = cell.textContent.replaceAll("−", "-").match(/[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?/i);
    return found ? Number(found[0]) : NaN;
  };
  const compare = (a, b, text) => {
    if (text) return a.textContent.localeCompare(b.textContent, "en", { numeric: true });
    const [x, y] = [number(a), number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? 0 : x - y;
  };
  headers.forEach((header, n) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const sign = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      const rows = [...body.rows], text = header.classList.contains("text");
      const known = text ? rows : rows.filter((row) => !Number.isNaN(number(row.cells[n])));
      const rest = rows.filter((row) => !known.includes(row));
      known.sort((a, b) => sign * compare(a.cells[n], b.cells[n], text));
      body.append(...known, ...rest);
      for (const other of headers) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
    });
  });
}
