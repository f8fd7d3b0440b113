// SPDX-License-Identifier: Apache-2.0
// The cluster in numbers and lines, as overview_feed.js hears of it.
import {h} from "./dom.js";
import {chart} from "./chart.js";
import {history, listen} from "./overview_feed.js";
import {bytes, count, seconds, short} from "./text.js";

export const title = "Overview";

const tile = (name, value, href) => h(href ? "a" : "div", {class: "tile", href}, h("b", null, value), h("span", null, name));
const perSecond = value => value === null ? "–" : `${short(value)}/s`;

function draw(place) {
  const samples = history(), newest = samples.at(-1);
  if (!newest) return;
  const {overview} = newest;
  const line = (name, value) => ({name, points: samples.map(s => [s.time_ms, value(s)])});
  const reasons = Object.keys(overview.drops_total ?? {}).filter(r => overview.drops_total[r] > 0);
  const totals = [["Dropped, by reason", overview.drops_total], ["Connections refused, by reason", overview.refused_total]];
  place.replaceChildren(
    h("div", {class: "tiles"},
      tile("clients", count(overview.clients), "#/clients"), tile("sessions", count(overview.sessions), "#/sessions"),
      tile("subscriptions", count(overview.subscriptions), "#/topics"), tile("retained", count(overview.retained), "#/topics"),
      tile("queued", count(overview.queued), "#/sessions"), tile("in queues", bytes(overview.queued_bytes)),
      tile("users", count(overview.users), "#/users"), tile("gateways", count(overview.gateways), "#/cluster")),
    h("div", {class: "charts"},
      chart("Messages per second", [line("in", s => s.in), line("out", s => s.out)], perSecond, 10),
      chart("Connected clients", [line("clients", s => s.overview.clients)], short, 10),
      chart("Dropped per second, by reason", reasons.length ? reasons.map(r => line(r, s => s.in === null ? null : s.drops[r] ?? 0)) :
        [line("none", s => s.in === null ? null : 0)], perSecond, 10),
      chart("Publish to delivery", [line("p99", s => s.p99), line("p50", s => s.p50)], seconds, 0.001)),
    h("div", {class: "charts"}, totals.map(([name, of]) => h("section", {class: "card"}, h("h2", null, name),
      Object.entries(of ?? {}).some(([, n]) => n > 0) ? h("dl", {class: "facts"}, Object.entries(of).filter(([, n]) => n > 0)
        .map(([reason, n]) => h("div", null, h("dt", null, reason), h("dd", null, count(n))))) : h("p", null, "None since the programs began.")))),
    h("p", {class: "note"}, "Publish to delivery: one message in 256, on its own gateway, as the upper bound of its class. ",
      "Why a single message was dropped: ", h("a", {href: "#/trace"}, "Trace"), "."));
}

export async function show(place, page) {
  draw(place);
  listen(() => draw(place), page.signal);
}
