// SPDX-License-Identifier: Apache-2.0
// Sessions that the stores keep, connected or not: what waits in them, and deleting one.
import {can, change, get, path} from "./api.js";
import {button, confirmed, facts, field, form, h, link, pagedTable, table, toast} from "./dom.js";
import {subscriptionColumns} from "./page_clients.js";
import {bytes, count, seconds, when, yes} from "./text.js";

export const title = "Sessions";

const columns = [
  {title: "Client", cell: s => link(s.client, "sessions", s.client)},
  {title: "State", cell: s => h("span", {class: `state ${s.state}`}, s.state)},
  {title: "Gateway", class: "nowrap", cell: s => s.gateway ?? "–"},
  {title: "Kept", cell: s => !s.persistent ? "no" : s.expiry === null ? "for ever" : seconds(s.expiry)},
  {title: "Subscriptions", class: "number", cell: s => s.persistent ? count(s.subscriptions) : "–"},
  {title: "Queued", class: "number", cell: s => count(s.queued)},
  {title: "Bytes", class: "number", cell: s => bytes(s.queued_bytes)},
];

async function list(place, {query, signal, again}) {
  const filters = form({class: "filters", role: "search"}, [
    field("Client id begins with", "search", {value: query.search}),
    field("State", "state", {as: "select", options: [["", "all"], "connected", "disconnected"], value: query.state}),
    field("Kept", "persistent", {as: "select", options: [["", "all"], ["true", "outlives the connection"], ["false", "ends with it"]],
      value: query.persistent}),
    h("button", {type: "submit", class: "primary"}, "Show")],
  async data => {
    const hash = "#/sessions?" + new URLSearchParams(data);
    if (hash === location.hash) again();
    else location.hash = hash;
  });
  place.replaceChildren(filters, await pagedTable("Sessions", columns, cursor => get("/sessions", {...query, cursor}, signal),
    "No session fits."));
}

async function one(place, {args: [id], signal}) {
  const s = await get(path`/sessions/${id}`, null, signal);
  const subscriptions = await get("/subscriptions", {client: id}, signal);
  const remove = () => confirmed("Delete the session", `What waits for ${id} is lost, its subscriptions end, and it is disconnected.`,
    "Delete", async () => {
      await change("DELETE", path`/sessions/${id}`);
      toast(`The session of ${id} is gone.`);
      location.hash = "#/sessions";
    });
  place.replaceChildren(
    h("p", null, link("← Sessions", "sessions")),
    h("h2", {class: "name"}, id),
    can("ADMIN") ? h("div", {class: "buttons"}, button("Delete …", remove, {class: "danger"}),
      s.state === "connected" && h("a", {class: "button", href: "#/clients/" + encodeURIComponent(id)}, "Connection")) : "",
    facts({State: s.state, User: s.user && link(s.user, "users", s.user), Gateway: s.gateway, "Outlives the connection": yes(s.persistent),
      "Kept after it": s.expiry === null ? "for ever" : seconds(s.expiry), Queued: `${count(s.queued)} (${bytes(s.queued_bytes)})`,
      "QoS 2 not released": count(s.inbound), Created: when(s.created_at), Disconnected: when(s.disconnected_at), "Has a will": yes(s.has_will)}),
    table("Subscriptions", subscriptionColumns, subscriptions.items, "It has not subscribed to anything."));
}

export const show = (place, page) => page.args.length ? one(place, page) : list(place, page);
