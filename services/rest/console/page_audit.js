// SPDX-License-Identifier: Apache-2.0
// Who changed what, newest first; the whole of it as a file.
import {get, send} from "./api.js";
import {button, errorBox, h, pagedTable} from "./dom.js";
import {when} from "./text.js";

export const title = "Audit";

async function save(event) {
  try {
    const file = URL.createObjectURL(await (await send("GET", "/audit/export")).blob());
    h("a", {href: file, download: "sluice-audit.jsonl"}).click();
    URL.revokeObjectURL(file);
  } catch (error) {
    event.target.after(errorBox(error));
  }
}

export async function show(place, {signal}) {
  const columns = [
    {title: "When", class: "nowrap", cell: a => when(a.time)}, {title: "Who", cell: a => a.actor}, {title: "What", cell: a => a.what},
    {title: "Of", cell: a => a.subject}, {title: "Detail", cell: a => a.detail || "–"},
  ];
  place.replaceChildren(h("div", {class: "buttons"}, button("Export as JSON lines", save)),
    await pagedTable("Changes, newest first", columns, cursor => get("/audit", {cursor}, signal), "Nothing has been changed yet."));
}
