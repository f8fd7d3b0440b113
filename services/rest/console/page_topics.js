// SPDX-License-Identifier: Apache-2.0
// Topics: who gets a message, what is retained, and the groups that share subscriptions.
import {can, change, get, path} from "./api.js";
import {button, confirmed, dialog, errorBox, facts, field, form, h, link, pagedTable, toast, table} from "./dom.js";
import {subscriptionColumns} from "./page_clients.js";
import {bytes, clip, count, when} from "./text.js";

export const title = "Topics";

const groupColumns = [
  {title: "Group", cell: g => g.share}, {title: "At", cell: g => g.place},
  {title: "Members for QoS 1 and 2", class: "number", cell: g => count(g.members)},
  {title: "Members for QoS 0", class: "number", cell: g => count(g.members_qos0)},
];

function whoGetsIt(signal) {
  const result = h("div", {class: "stack", "aria-live": "polite"});
  const columns = [{title: "Client", cell: s => link(s.client, "clients", s.client)},
    {title: "State", cell: s => h("span", {class: `state ${s.connected ? "connected" : "disconnected"}`}, s.connected ? "connected" : "asleep")},
    ...subscriptionColumns];
  return h("section", {class: "card"}, h("h2", null, "Who gets a message on this topic?"), form({class: "filters"}, [
    field("Topic", "topic", {required: true, placeholder: "sensors/a/t"}), h("button", {type: "submit", class: "primary"}, "Show")],
  async ({topic}) => {
    const [found, groups] = await Promise.all([get("/subscriptions", {topic}, signal), get("/shared-groups", {topic, limit: 1000}, signal)]);
    const shared = groups.items.length > 0;
    result.replaceChildren(table(`Subscriptions that match ${topic}`, columns, found.items,
      shared ? "None but groups." : "Nobody: a message on this topic is dropped."),
    shared ? table("And one member of each group", groupColumns, groups.items) : "");
  }), result);
}

const secondsLeft = time => time ? Math.max(1, Math.round((new Date(time) - Date.now()) / 1000)) : null;

function edit(topic, message, again) {
  dialog(topic ? "Change what is retained" : "Retain a message", [
    field("Topic", "topic", {required: true, value: topic, readonly: Boolean(topic)}),
    field("Payload", "payload", {as: "textarea", rows: 5, required: true, value: message?.payload ?? message?.payload_base64}),
    field("The payload is written in base64 (for bytes that are no text)", "base64", {type: "checkbox", value: message && message.payload === null}),
    field("QoS", "qos", {as: "select", options: ["0", "1", "2"], value: String(message?.qos ?? 1)}),
    field("Expires after seconds", "expiry", {type: "number", min: 1, hint: "Empty: never", value: secondsLeft(message?.expires_at)}),
  ], {submit: "Publish", run: async ({base64, payload, ...data}) => {
    await change("PUT", path`/retained/${data.topic}`, {body: {...(base64 ? {payload_base64: payload.trim()} : {payload}),
      qos: Number(data.qos), ...(data.expiry ? {expiry: Number(data.expiry)} : {}),
      ...(message?.properties ? {properties: message.properties} : {})}});
    toast("Published and retained.");
    again();
  }});
}

async function open(topic, again) {
  const m = await get(path`/retained/${topic}`);
  const box = h("dialog", {"aria-label": topic});
  const remove = () => confirmed("Delete what is retained", `New subscribers to ${topic} get nothing any more.`, "Delete", async () => {
    await change("DELETE", path`/retained/${topic}`);
    again();
  });
  const then = next => () => { box.close(); next(); };
  box.append(h("h2", {class: "name"}, topic),
    facts({Bytes: count(m.bytes), QoS: m.qos, Expires: when(m.expires_at), "Content type": m.properties?.content_type}),
    h("pre", {tabindex: 0}, m.payload ?? `base64: ${m.payload_base64 ?? ""}`),
    h("div", {class: "buttons"}, button("Close", () => box.close()), can("ADMIN") && [
      button("Change …", then(() => edit(topic, m, again))), button("Delete …", then(remove), {class: "danger"})]));
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
}

async function retained({query, signal, again}) {
  const errors = h("div");
  const columns = [
    {title: "Topic", cell: m => button(m.topic, () => open(m.topic, again).catch(e => errors.replaceChildren(errorBox(e))), {class: "like-link"})},
    {title: "Payload", class: "payload", cell: m => clip(m.payload ?? `base64: ${m.payload_base64 ?? ""}`, 120)},
    {title: "Bytes", class: "number", cell: m => bytes(m.bytes)},
    {title: "QoS", class: "number", cell: m => m.qos},
    {title: "Expires", cell: m => when(m.expires_at)},
  ];
  const filter = query.filter ?? "#";
  return h("section", {class: "card"}, h("h2", null, "Retained messages"), form({class: "filters"}, [
    field("Filter", "filter", {value: filter, required: true}), h("button", {type: "submit", class: "primary"}, "Show"),
    can("ADMIN") && button("Retain a message …", () => edit(null, null, again))],
  async data => {
    const hash = "#/topics?" + new URLSearchParams(data);
    if (hash === location.hash) again();
    else location.hash = hash;
  }), errors, await pagedTable(`Retained on ${filter}`, columns, cursor => get("/retained", {filter, cursor}, signal), "Nothing is retained there."));
}

async function groups(signal) {
  return h("section", {class: "card"}, h("h2", null, "Shared subscriptions"), await pagedTable("Groups and where their members are", groupColumns,
    cursor => get("/shared-groups", {cursor}, signal), "No client shares a subscription."));
}

export async function show(place, page) {
  place.replaceChildren(whoGetsIt(page.signal), await retained(page), await groups(page.signal));
}
