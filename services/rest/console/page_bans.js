// SPDX-License-Identifier: Apache-2.0
// Bans: users, client ids and addresses that are kept out, with a reason and an end.
import {can, change, get, path} from "./api.js";
import {button, dialog, errorBox, field, h, pagedTable, toast} from "./dom.js";
import {when} from "./text.js";

export const title = "Bans";

function add({kind, subject}, again) {
  dialog("Ban", [
    field("What", "kind", {as: "select", options: ["client", "user", "address"], value: kind ?? "client"}),
    field("Client id, user, address or network", "subject", {required: true, value: subject, placeholder: "192.0.2.0/24"}),
    field("For how long", "seconds", {as: "select",
      options: [["", "until it is lifted"], ["3600", "an hour"], ["86400", "a day"], ["604800", "a week"]]}),
    field("Reason", "reason", {maxlength: 255})],
  {submit: "Ban", danger: true, run: async data => {
    await change("PUT", path`/bans/${`${data.kind}:${data.subject}`}`, {body: {
      ...(data.reason ? {reason: data.reason} : {}), ...(data.seconds ? {seconds: Number(data.seconds)} : {})}});
    toast("Banned; who is connected is disconnected.");
    again();
  }});
}

export async function show(place, {query, signal, again}) {
  const remove = async (name, at) => {
    try {
      await change("DELETE", path`/bans/${name}`);
      toast(`${name} may come back.`);
      again();
    } catch (error) {
      at.after(errorBox(error));
    }
  };
  const columns = [
    {title: "What", cell: b => b.kind}, {title: "Who", cell: b => b.subject},
    {title: "Until", cell: b => b.until ? when(b.until) : "it is lifted"},
    {title: "Reason", cell: b => b.reason || "–"}, {title: "By", cell: b => b.actor},
    ...(can("ADMIN") ? [{title: "", class: "actions", cell: b => button("Lift", event => remove(b.name, event.target),
      {"aria-label": `Lift the ban of ${b.name}`})}] : []),
  ];
  place.replaceChildren(
    can("ADMIN") ? h("div", {class: "buttons"}, button("Ban …", () => add({}, again), {class: "primary"})) : "",
    await pagedTable("Bans", columns, cursor => get("/bans", {cursor}, signal), "Nobody is banned."));
  if (query.subject && can("ADMIN")) {
    add({...query}, again);
    history.replaceState(null, "", "#/bans"); // asked for once
    delete query.subject;
  }
}
