// SPDX-License-Identifier: Apache-2.0
// A line chart of the last minutes as SVG, with its newest values as text beside it. Colours come from classes.
import {h} from "./dom.js";

const WIDTH = 600, HEIGHT = 170, LEFT = 76, BOTTOM = 24, TOP = 16;

// How much time the picture shows, growing with what is known, and where its marks are.
const spans = [{spanMs: 60000, stepMs: 15000}, {spanMs: 120000, stepMs: 30000}, {spanMs: 300000, stepMs: 60000}];

function svg(tag, props, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function ceiling(value) { // 1, 2 or 5 times a power of ten, not below
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map(f => f * power).find(c => c >= value);
}

// Pieces of a line: nothing is drawn where there is no value.
function pieces(points, x, y) {
  const out = [[]];
  for (const [time, value] of points) {
    if (value === null || value === undefined) out.push([]);
    else out.at(-1).push(`${x(time).toFixed(1)},${y(value).toFixed(1)}`);
  }
  return out.filter(p => p.length > 0);
}

// series: [{name, points: [[time_ms, value or null]]}]; text(value): how a value is written; least: what the highest
// line stands for at least.
export function chart(title, series, text, least) {
  const all = series.flatMap(s => s.points);
  const end = Math.max(...all.map(p => p[0])), begin = Math.min(...all.map(p => p[0]));
  const {spanMs, stepMs} = spans.find(s => s.spanMs >= end - begin) ?? spans.at(-1);
  const top = ceiling(Math.max(...all.map(p => p[1] ?? 0), least));
  const x = time => LEFT + (WIDTH - LEFT - 4) * (1 - (end - time) / spanMs);
  const y = value => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const picture = svg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true"});
  for (const share of [0, 0.5, 1]) {
    const at = y(top * share), label = svg("text", {x: LEFT - 6, y: at + 4, "text-anchor": "end"});
    label.textContent = text(top * share);
    picture.append(svg("line", {x1: LEFT, x2: WIDTH, y1: at, y2: at, class: "grid"}), label);
  }
  for (let ago = 0; ago < spanMs; ago += stepMs) {
    const label = svg("text", {x: x(end - ago), y: HEIGHT - 2, "text-anchor": ago === 0 ? "end" : "middle"});
    label.textContent = ago === 0 ? "now" : stepMs < 60000 ? `−${ago / 1000} s` : `−${ago / 60000} min`;
    picture.append(label);
  }
  series.forEach((s, i) => pieces(s.points, x, y).forEach(p =>
    picture.append(svg("polyline", {points: p.length === 1 ? `${p[0]} ${p[0]}` : p.join(" "), class: `line line-${i % 6}`}))));
  return h("figure", {class: "chart"}, h("figcaption", null, title), picture,
    h("ul", {class: "legend"}, series.map((s, i) =>
      h("li", null, h("span", {class: `key key-${i % 6}`}), `${s.name} `, h("b", null, text(s.points.at(-1)?.[1] ?? null))))));
}
