"use strict";
const WIDTH = 4000, HEIGHT = 2000;
const across = (low, high, isLog, share) => isLog ? low * (high / low) ** share : low + share * (high - low);
const format = value => Math.abs(value) >= 1e4 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(4));

function points(path) {  // of a path whose commands are all relative
  if (!path.points) {
    let x = 0, y = 0;
    const moves = (path.getAttribute("d").match(/-?\d+/g) || []).map(Number);
    path.points = [];
    for (let i = 0; i < moves.length; i += 2) path.points.push([x += moves[i], y += moves[i + 1]]);
  }
  return path.points;
}

function nearest(list, x) {  // the point of a curve that is nearest across
  let low = 0, high = list.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle][0] < x) low = middle + 1; else high = middle;
  }
  return low > 0 && x - list[low - 1][0] < list[low][0] - x ? list[low - 1] : list[low];
}

function highlight(run) {
  document.querySelectorAll(".on").forEach(one => one.classList.remove("on"));
  document.body.classList.toggle("dim", run !== undefined);
  if (run !== undefined) document.querySelectorAll(`[data-run="${run}"]`).forEach(one => one.classList.add("on"));
}

for (const plot of document.querySelectorAll(".plot")) {
  const svg = plot.querySelector("svg"), said = plot.parentNode.querySelector("output"), cursor = svg.querySelector(".cursor");
  const curves = [...svg.querySelectorAll(".curve:not(.back)")], scale = plot.dataset;
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * WIDTH, y = (event.clientY - box.top) / box.height * HEIGHT;
    let found = curves.map(path => [path, points(path)]).filter(one => one[1].length).map(([path, list]) => [path, nearest(list, x)]);
    found.sort((a, b) => Math.abs(a[1][1] - y) - Math.abs(b[1][1] - y));
    if (!found.length) return;
    const isOfRuns = found[0][0].dataset.run !== undefined;
    if (isOfRuns) highlight(found[0][0].dataset.run);
    const at = across(+scale.x0, +scale.x1, false, found[0][1][0] / WIDTH);
    cursor.setAttribute("d", `M${found[0][1][0]} 0v${HEIGHT}`);
    said.textContent = `${scale.over} ${format(at)}: ` + found.slice(0, isOfRuns ? 1 : 4).map(([path, point]) =>
      `${path.dataset.name} ${format(across(+scale.y0, +scale.y1, scale.log === "1", 1 - point[1] / HEIGHT))}`).join(", ");
  });
  svg.addEventListener("pointerleave", () => { cursor.setAttribute("d", ""); said.textContent = ""; highlight(); });
}

for (const one of document.querySelectorAll("tr[data-run], .parallel path[data-run]")) {
  one.addEventListener("pointerenter", () => highlight(one.dataset.run));
  one.addEventListener("pointerleave", () => highlight());
}

for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => {
  const head = button.closest("th"), body = head.closest("table").tBodies[0];
  const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  head.parentNode.querySelectorAll("[aria-sort]").forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const value = row => row.cells[head.cellIndex].dataset.value ?? row.cells[head.cellIndex].textContent.trim();
  const isEmpty = text => text === "" || text === "–";
  body.append(...[...body.rows].sort((a, b) => {
    const [left, right] = [value(a), value(b)];
    if (isEmpty(left) || isEmpty(right)) return isEmpty(left) - isEmpty(right);
    return sign * (isNaN(left) || isNaN(right) ? left.localeCompare(right, "en", {numeric: true}) : left - right);
  }));
});
