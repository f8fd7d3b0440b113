// SPDX-License-Identifier: Apache-2.0
// One's own roles and rules, and one's own password.
import {change, get, me, path, signOut} from "./api.js";
import {facts, field, form, h, toast} from "./dom.js";
import {when} from "./text.js";

export const title = "My account";

export async function show(place, {signal}) {
  const {name, until} = me();
  const user = await get(path`/users/${name}`, null, signal);
  place.replaceChildren(
    facts({Name: name, Roles: user.roles.join(", "), "Signed in until": when(until),
      Rules: h("pre", null, (user.rules ?? []).join("\n") || "none of its own")}),
    form({class: "card narrow"}, [h("h2", null, "Change my password"),
      field("Present password", "current", {type: "password", required: true, autocomplete: "current-password"}),
      field("New password", "password", {type: "password", required: true, autocomplete: "new-password"}),
      h("button", {type: "submit", class: "primary"}, "Change")],
    async data => {
      await change("PUT", path`/users/${name}/password`, {body: data});
      toast("Changed. Sign in with the new one.");
      await signOut(); // the change has ended the sign-in already
    }));
}
