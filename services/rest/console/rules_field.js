// SPDX-License-Identifier: Apache-2.0
// The editor of access rules: one a line, as the broker reads them, and a row that writes a line.
import {button, field, h} from "./dom.js";

export function rulesField(rules) {
  const text = field("Rules, one a line; the most specific decides", "rules", {
    as: "textarea", rows: 6, spellcheck: false, value: (rules ?? []).join("\n"),
    hint: "allow or deny – publish, subscribe or all – a topic filter. %u is the user's name, %c the client id. " +
      "Example: allow publish sensors/%u/#. Where none fits, the setting access-default of the gateways does."});
  const area = text.querySelector("textarea");
  const verb = h("select", {"aria-label": "Allow or deny"}, ["allow", "deny"].map(v => h("option", null, v)));
  const what = h("select", {"aria-label": "What"}, ["publish", "subscribe", "all"].map(v => h("option", null, v)));
  const filter = h("input", {"aria-label": "Topic filter", placeholder: "sensors/%u/#", autocomplete: "off"});
  const add = () => {
    if (!filter.value.trim()) return filter.focus();
    area.value += (area.value && !area.value.endsWith("\n") ? "\n" : "") + `${verb.value} ${what.value} ${filter.value.trim()}`;
    filter.value = "";
    filter.focus();
  };
  filter.addEventListener("keydown", event => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // adds a line; it does not send the form
    add();
  });
  return h("div", null, text, h("div", {class: "line"}, verb, what, filter, button("Add rule", add)));
}
