// SPDX-License-Identifier: Apache-2.0
// Users: list, create, roles and rules, password, delete.
import {can, change, get, path} from "./api.js";
import {button, confirmed, dialog, facts, field, form, h, lines, link, pagedTable, toast, words} from "./dom.js";
import {rulesField} from "./rules_field.js";

export const title = "Users";

const rolesField = roles => field("Roles, with commas", "roles", {value: (roles ?? []).join(", "),
  hint: "ADMIN: everything. READER: reads everything. USER: its own data. Others: names of Roles, with their rules."});

function create(again) {
  dialog("Add a user", [
    field("Name", "name", {required: true, maxlength: 1024}),
    field("Password", "password", {type: "password", required: true, autocomplete: "new-password", maxlength: 1024}),
    rolesField(["USER"]), rulesField([])],
  {submit: "Add", run: async data => {
    await change("PUT", path`/users/${data.name}`, {query: {create: true},
      body: {password: data.password, roles: words(data.roles), rules: lines(data.rules)}});
    toast(`${data.name} is added.`);
    again();
  }});
}

async function list(place, {query, signal, again}) {
  const columns = [
    {title: "Name", cell: u => link(u.name, "users", u.name)},
    {title: "Status", cell: u => h("span", {class: `state ${u.status === "on" ? "connected" : "disconnected"}`}, u.status === "on" ? "connected" : "not connected")},
    {title: "Roles", cell: u => u.roles.join(", ") || "–"},
  ];
  const filters = form({class: "filters", role: "search"}, [
    field("Name begins with", "search", {value: query.search}), field("Role", "role", {value: query.role}),
    h("button", {type: "submit", class: "primary"}, "Show"), can("ADMIN") && button("Add a user …", () => create(again))],
  async data => {
    const hash = "#/users?" + new URLSearchParams(data);
    if (hash === location.hash) again();
    else location.hash = hash;
  });
  place.replaceChildren(filters, await pagedTable("Users", columns, cursor => get("/users", {...query, cursor}, signal), "No user fits."));
}

function setPassword(name) {
  dialog(`Password of ${name}`, field("New password", "password", {type: "password", required: true, autocomplete: "new-password"}),
    {run: async ({password}) => {
      await change("PUT", path`/users/${name}/password`, {body: {password}});
      toast("Set. Where this user was signed in to the console, it is signed out.");
    }});
}

async function one(place, {args: [name], signal, again}) {
  const user = await get(path`/users/${name}`, null, signal);
  const remove = () => confirmed("Delete the user", `${name} can no longer sign in; its connections are closed.`, "Delete", async () => {
    await change("DELETE", path`/users/${name}`, {etag: user.etag});
    location.hash = "#/users";
  });
  const editor = form({class: "card"}, [h("h2", null, "Roles and rules"), rolesField(user.roles), rulesField(user.rules),
    h("button", {type: "submit", class: "primary"}, "Save")],
  async data => {
    await change("PUT", path`/users/${name}`, {etag: user.etag, body: {roles: words(data.roles), rules: lines(data.rules)}});
    toast("Saved; it counts at once, for connections too.");
    again();
  });
  place.replaceChildren(
    h("p", null, link("← Users", "users")), h("h2", {class: "name"}, name),
    facts({Status: user.status === "on" ? h("a", {href: "#/clients?" + new URLSearchParams({user: name})}, "connected") : "not connected"}),
    can("ADMIN") ? h("div", {class: "buttons"}, button("Set password …", () => setPassword(name)),
      h("a", {class: "button", href: "#/bans?" + new URLSearchParams({kind: "user", subject: name})}, "Ban …"),
      button("Delete …", remove, {class: "danger"})) : "",
    can("ADMIN") ? editor : facts({Roles: user.roles.join(", "), Rules: h("pre", null, (user.rules ?? []).join("\n") || "none")}));
}

export const show = (place, page) => page.args.length ? one(place, page) : list(place, page);
