// SPDX-License-Identifier: Apache-2.0
// Named API keys for programs: made, renewed, deleted. A secret is shown once.
import {change, get, path} from "./api.js";
import {button, confirmed, dialog, field, h, pagedTable} from "./dom.js";
import {when} from "./text.js";

export const title = "API keys";

function showSecret(name, secret, again) {
  const box = dialog(`The key ${name}`, [
    h("p", null, "Copy it now: it is not kept and cannot be shown again. Programs send it as the header X-API-Key."),
    field("Key", "secret", {value: secret, readonly: true, onfocus: event => event.target.select()})],
  {submit: "I have copied it", cancel: false, run: async () => {}});
  box.addEventListener("close", again);
}

const daysLeft = until => until ? Math.max(1, Math.ceil((new Date(until) - Date.now()) / 86400000)) : null;

function edit(key, again) {
  dialog(key ? `Key ${key.name}` : "Add a key", [
    key ? null : field("Name", "name", {required: true, maxlength: 255}),
    field("Role", "role", {as: "select", options: [["READER", "READER: reads everything"], ["ADMIN", "ADMIN: everything"]],
      value: key?.roles.includes("ADMIN") ? "ADMIN" : "READER"}),
    field("Ends after days", "days", {type: "number", min: 1, max: 3650, hint: "Empty: it does not end", value: daysLeft(key?.until)}),
    field("Note", "note", {maxlength: 255, value: key?.note}),
    key ? field("New secret; the former one ends", "new_secret", {type: "checkbox"}) : null],
  {submit: key ? "Save" : "Add", run: async data => {
    const name = key?.name ?? data.name;
    const made = await change("PUT", path`/api-keys/${name}`, {etag: key?.etag, body: {
      roles: [data.role], ...(data.note ? {note: data.note} : {}), ...(data.days ? {seconds: data.days * 86400} : {}),
      ...(data.new_secret ? {new_secret: true} : {})}});
    if (made.secret) showSecret(name, made.secret, again);
    else again();
  }});
}

export async function show(place, {signal, again}) {
  const remove = name => confirmed("Delete the key", `Programs that use ${name} are refused from now on.`, "Delete", async () => {
    await change("DELETE", path`/api-keys/${name}`);
    again();
  });
  const columns = [
    {title: "Name", cell: k => k.name}, {title: "Roles", cell: k => k.roles.join(", ")},
    {title: "Until", cell: k => k.until ? when(k.until) : "does not end"}, {title: "Note", cell: k => k.note || "–"},
    {title: "", class: "actions", cell: k => [
      button("Edit …", async () => edit(await get(path`/api-keys/${k.name}`), again), {"aria-label": `Edit ${k.name}`}),
      button("Delete …", () => remove(k.name), {"aria-label": `Delete ${k.name}`})]},
  ];
  place.replaceChildren(h("div", {class: "buttons"}, button("Add a key …", () => edit(null, again), {class: "primary"})),
    await pagedTable("API keys", columns, cursor => get("/api-keys", {cursor}, signal), "No named key. The key of the setting api-key is not listed."));
}
