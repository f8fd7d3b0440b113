// SPDX-License-Identifier: Apache-2.0
// Connected clients: list with filters, one of them with its subscriptions, disconnecting one or many.
import {can, change, get, path} from "./api.js";
import {button, confirmed, dialog, facts, field, form, h, link, pagedTable, table, toast} from "./dom.js";
import {bytes, count, when, yes} from "./text.js";

export const title = "Clients";

export function disconnect(client, then) {
  confirmed("Disconnect", `${client} will be disconnected; its session stays. Most clients connect again at once: to keep one out, ban it.`,
    "Disconnect", async () => {
      await change("DELETE", path`/clients/${client}`);
      toast(`${client} is disconnected.`);
      then();
    });
}

function disconnectMany(query) {
  dialog("Disconnect many", [
    h("p", null, "Each gateway walks its connections at this pace. Fields that are empty do not choose; sessions stay."),
    field("Client id begins with", "search", {value: query.search}), field("User", "user", {value: query.user}),
    field("Gateway", "gateway", {value: query.gateway}),
    field("Per second, of each gateway", "per_second", {type: "number", min: 1, max: 100000, required: true, value: 100}),
    field("All clients, when nothing is chosen above", "all", {type: "checkbox"}),
  ], {submit: "Disconnect", danger: true, run: async ({all, ...data}) => {
    await change("POST", "/disconnects", {body: {...data, per_second: Number(data.per_second), ...(all ? {all} : {})}});
    toast("Begun.");
  }});
}

const columns = again => [
  {title: "Client", cell: c => link(c.client, "clients", c.client)},
  {title: "User", cell: c => c.user ? link(c.user, "users", c.user) : "–"},
  {title: "Gateway", class: "nowrap", cell: c => c.gateway},
  {title: "Address", class: "nowrap", cell: c => c.address},
  {title: "Over", class: "nowrap", cell: c => `${c.listener ?? ""} ${c.version}`},
  {title: "Since", class: "nowrap", cell: c => when(c.connected_at)},
  {title: "Waiting", class: "number", cell: c => count((c.queued ?? 0) + (c.inflight ?? 0))},
  ...(can("ADMIN") ? [{title: "", class: "actions", cell: c => button("Disconnect …", () => disconnect(c.client, again),
    {"aria-label": `Disconnect ${c.client}`})}] : []),
];

async function list(place, {query, signal, again}) {
  const filters = form({class: "filters", role: "search"}, [
    field("Client id begins with", "search", {value: query.search}), field("User", "user", {value: query.user}),
    field("Gateway", "gateway", {value: query.gateway}), h("button", {type: "submit", class: "primary"}, "Show"),
    can("ADMIN") && button("Disconnect many …", () => disconnectMany(query))],
  async data => {
    const hash = "#/clients?" + new URLSearchParams(data);
    if (hash === location.hash) again();
    else location.hash = hash;
  });
  place.replaceChildren(filters, await pagedTable("Connected clients", columns(again),
    cursor => get("/clients", {...query, cursor}, signal), "No client is connected that fits."));
}

export const subscriptionColumns = [
  {title: "Filter", cell: s => s.filter},
  {title: "QoS", class: "number", cell: s => s.qos},
  {title: "Options", cell: s => [s.no_local && "no local", s.retain_as_published && "retain as published",
    s.identifier && `identifier ${s.identifier}`, s.persistent && "kept by the store"].filter(Boolean).join(", ") || "–"},
  {title: "Delivered by", cell: s => s.place},
];

async function one(place, {args: [id], signal}) {
  const c = await get(path`/clients/${id}`, null, signal);
  const subscriptions = await get("/subscriptions", {client: id}, signal);
  place.replaceChildren(
    h("p", null, link("← Clients", "clients")),
    h("h2", {class: "name"}, id),
    can("ADMIN") && h("div", {class: "buttons"},
      button("Disconnect …", () => disconnect(id, () => { location.hash = "#/clients"; }), {class: "danger"}),
      h("a", {class: "button", href: "#/trace?" + new URLSearchParams({client: id})}, "Trace"),
      h("a", {class: "button", href: "#/bans?" + new URLSearchParams({kind: "client", subject: id})}, "Ban …"),
      c.persistent && h("a", {class: "button", href: "#/sessions/" + encodeURIComponent(id)}, "Session")) || "",
    facts({User: c.user && link(c.user, "users", c.user), Gateway: c.gateway, Address: c.address, Listener: c.listener,
      MQTT: c.version, Connected: when(c.connected_at), "Keep alive": `${c.keep_alive} s`, "Session outlives it": yes(c.persistent),
      "Sent, not acknowledged": count(c.inflight), "Waiting in the gateway": `${count(c.queued)} (${bytes(c.queued_bytes)})`}),
    table("Subscriptions", subscriptionColumns, subscriptions.items, "It has not subscribed to anything."));
}

export const show = (place, page) => page.args.length ? one(place, page) : list(place, page);
