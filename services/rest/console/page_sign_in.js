// SPDX-License-Identifier: Apache-2.0
// Signing in, with a user's name and password (a cookie that scripts cannot read) or with an API key.
import {signIn, signInWithKey} from "./api.js";
import {field, form, h} from "./dom.js";

export const title = "Sign in";

export async function show(place, page) {
  const byName = form({id: "sign-in"}, [
    field("User", "name", {required: true, autocomplete: "username", maxlength: 1024}),
    field("Password", "password", {required: true, type: "password", autocomplete: "current-password", maxlength: 1024}),
    h("button", {type: "submit", class: "primary"}, "Sign in"),
  ], async ({name, password}) => {
    await signIn(name, password);
    page.done();
  });
  const byKey = form({id: "sign-in-key"}, [
    field("API key", "key", {required: true, type: "password",
      hint: "The setting api-key of sluice-rest, or a named key. It stays in this page and is forgotten with it."}),
    h("button", {type: "submit"}, "Sign in with the key"),
  ], async ({key}) => {
    await signInWithKey(key);
    page.done();
  });
  place.replaceChildren(h("div", {class: "card narrow"}, byName,
    h("details", null, h("summary", null, "No user with the role ADMIN yet? Use an API key"), byKey)));
  byName.elements.name.focus();
}
