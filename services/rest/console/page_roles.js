// SPDX-License-Identifier: Apache-2.0
// Roles: names for sets of rules that many users share.
import {can, change, get, path} from "./api.js";
import {button, confirmed, dialog, field, h, lines, pagedTable, toast} from "./dom.js";
import {rulesField} from "./rules_field.js";

export const title = "Roles";

function edit(role, again) {
  dialog(role ? `Role ${role.name}` : "Add a role", [
    role ? null : field("Name", "name", {required: true, maxlength: 64}), rulesField(role?.rules)],
  {submit: role ? "Save" : "Add", run: async data => {
    await change("PUT", path`/roles/${role?.name ?? data.name}`, {etag: role?.etag, body: {rules: lines(data.rules)}});
    toast("Saved; it counts at once, for connections too.");
    again();
  }});
}

export async function show(place, {signal, again}) {
  const remove = name => confirmed("Delete the role", `Users that have ${name} lose its rules.`, "Delete", async () => {
    await change("DELETE", path`/roles/${name}`);
    again();
  });
  const columns = [
    {title: "Role", cell: r => r.name},
    {title: "Rules", cell: r => h("pre", null, r.rules.join("\n") || "none")},
    ...(can("ADMIN") ? [{title: "", class: "actions", cell: r => [
      button("Edit …", async () => edit(await get(path`/roles/${r.name}`), again), {"aria-label": `Edit ${r.name}`}),
      button("Delete …", () => remove(r.name), {"aria-label": `Delete ${r.name}`})]}] : []),
  ];
  place.replaceChildren(
    h("p", null, "ADMIN, READER and USER are for the API and this console. Other roles hold rules for topics."),
    can("ADMIN") ? h("div", {class: "buttons"}, button("Add a role …", () => edit(null, again), {class: "primary"})) : "",
    await pagedTable("Roles", columns, cursor => get("/roles", {cursor}, signal), "No role yet."));
}
