// SPDX-License-Identifier: Apache-2.0
// Gateways, cores, stores and this service: version, load, lag, leases; settings in force; how much they log; emptying
// a gateway.
import {can, change, get, path} from "./api.js";
import {button, confirmed, dialog, facts, field, h, link, table, toast} from "./dom.js";
import {bytes, count, seconds} from "./text.js";

export const title = "Cluster";

const health = p => !p.reachable ? h("span", {class: "state bad"}, "no answer") : p.draining ? h("span", {class: "state waiting"}, "draining") :
  p.ready ? h("span", {class: "state connected"}, "ready") : h("span", {class: "state waiting"}, p.obstacle || "not ready");

const lag = p => p.lag_us === null || p.lag_us === undefined ? "–" : seconds(p.lag_us / 1e6);

const columns = [
  {title: "Program", cell: p => p.reachable ? link(p.name, "cluster", p.service, p.name) : p.name},
  {title: "Service", cell: p => p.service},
  {title: "State", cell: health},
  {title: "Version", cell: p => p.version},
  {title: "Up", class: "number", cell: p => seconds(p.uptime)},
  {title: "Lag", class: "number", cell: lag},
  {title: "CPU time", class: "number", cell: p => seconds(p.cpu_seconds || null)},
  {title: "Memory", class: "number", cell: p => bytes(p.memory_bytes || null)},
  {title: "Connections", class: "number", cell: p => count(p.connections)},
  {title: "Peers", cell: p => p.peers ? `${p.peers.filter(q => q.up).length} of ${p.peers.length} up` : "–"},
];

async function list(place, {signal}) {
  for (;;) {
    const {items} = await get("/programs", null, signal);
    if (!place.contains(document.activeElement) || document.activeElement === document.body) place.replaceChildren(
      table("Programs", columns, items, "No program is known."),
      h("p", {class: "note"}, "Lag: how late the program's loop is. Lease: how long a silent peer still counts as alive."));
    await new Promise(resolve => { setTimeout(resolve, 3000); });
    signal.throwIfAborted();
  }
}

const peerColumns = [
  {title: "Peer", cell: p => p.name || "–"}, {title: "Service", cell: p => p.service}, {title: "Address", cell: p => p.address},
  {title: "State", cell: p => h("span", {class: `state ${p.up ? "connected" : "bad"}`}, !p.up ? "down" : p.serving ? "serving" : "up")},
  {title: "Lease", class: "number", cell: p => p.lease_ms === null || p.lease_ms === undefined ? "–" : `${p.lease_ms} ms`},
];
const settingColumns = [
  {title: "Setting", cell: s => s.name}, {title: "Value", class: "payload", cell: s => s.value === "" ? "–" : s.value},
  {title: "From", class: "nowrap", cell: s => s.source}, {title: "What it is", cell: s => [s.help, s.unit && ` (${s.unit})`]},
];

function actions(p, level, again) {
  const base = path`/programs/${p.service}/${p.name}`;
  const setLevel = () => dialog(`How much ${p.name} logs`, [
    field("Level", "level", {as: "select", options: ["error", "warn", "info", "debug"], value: level.level, hint: "Until the program is restarted."})],
  {run: async data => {
    await change("PUT", `${base}/log-level`, {body: data});
    toast(`${p.name} logs at ${data.level}.`);
    again();
  }});
  const drain = () => dialog(`Empty ${p.name}`, [
    h("p", null, "It is not ready any more and sends its clients away at this pace; they connect elsewhere."),
    field("Clients per second", "per_second", {type: "number", min: 1, hint: "Empty: the setting drain-rate"})],
  {submit: "Empty it", danger: true, run: async data => {
    await change("PUT", `${base}/drain`, {body: data.per_second ? {per_second: Number(data.per_second)} : {}});
    again();
  }});
  const undrain = () => confirmed("Take clients again", `${p.name} becomes ready.`, "Take clients", async () => {
    await change("DELETE", `${base}/drain`);
    again();
  });
  return h("div", {class: "buttons"}, button(`Log level: ${level.level} …`, setLevel),
    p.service === "gateway" && (p.draining ? button("Take clients again …", undrain) : button("Empty this gateway …", drain, {class: "danger"})));
}

async function one(place, {args: [service, name], signal, again}) {
  const base = path`/programs/${service}/${name}`;
  const [p, level, settings] = await Promise.all([get(base, null, signal), get(`${base}/log-level`, null, signal),
    get(`${base}/settings`, null, signal)]);
  place.replaceChildren(
    h("p", null, link("← Cluster", "cluster")), h("h2", {class: "name"}, name),
    can("ADMIN") ? actions(p, level, again) : "",
    facts({Service: p.service, State: health(p), Version: p.version, Up: seconds(p.uptime), Lag: p.lag_us === null ? undefined : lag(p),
      "CPU time": seconds(p.cpu_seconds || null), Memory: bytes(p.memory_bytes || null),
      Connections: p.connections === undefined ? undefined : count(p.connections),
      Incarnation: p.incarnation || undefined}),
    p.peers?.length ? table("Peers", peerColumns, p.peers) : "",
    h("details", null, h("summary", null, `Settings in force (${settings.items.length})`), table("Settings", settingColumns, settings.items)));
}

export const show = (place, page) => page.args.length === 2 ? one(place, page) : list(place, page);
