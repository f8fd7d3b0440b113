// SPDX-License-Identifier: Apache-2.0
// Elements, forms, tables and dialogs: what all pages are made of. Text always goes in as text, never as HTML:
// client ids and topics are strangers' words.

// h("td", {class: "number", onclick: f, hidden: false}, "text", element, [more]): null and false are left out.
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter(c => c !== null && c !== undefined && c !== false));
  return element;
}

export const button = (text, onclick, props) => h("button", {type: "button", onclick, ...props}, text);
export const link = (text, ...path) => h("a", {href: "#/" + path.map(encodeURIComponent).join("/")}, text);

let fields = 0;

// A labelled input. props.as: select or textarea; props.options: of a select; props.hint: a sentence below.
export function field(label, name, {as = "input", hint, options, value, ...props} = {}) {
  const id = `field-${++fields}`;
  const input = h(as, {id, name, autocomplete: "off", "aria-describedby": hint && `${id}-hint`, ...props},
    options?.map(o => h("option", {value: Array.isArray(o) ? o[0] : o}, Array.isArray(o) ? o[1] : o)));
  if (props.type === "checkbox") {
    input.checked = Boolean(value);
    return h("div", {class: "field check"}, input, h("label", {for: id}, label), hint && h("small", {id: `${id}-hint`}, hint));
  }
  if (value !== undefined && value !== null) input.value = value;
  return h("div", {class: "field"}, h("label", {for: id}, label), input, hint && h("small", {id: `${id}-hint`}, hint));
}

// What a form holds; an empty text counts as left out.
export function values(form) {
  const out = {};
  for (const input of form.elements) {
    if (!input.name) continue;
    if (input.type === "checkbox") out[input.name] = input.checked;
    else if (input.value !== "") out[input.name] = input.value;
  }
  return out;
}

export const words = text => (text ?? "").split(",").map(w => w.trim()).filter(Boolean);
export const lines = text => (text ?? "").split("\n").map(l => l.trim()).filter(Boolean);

export const sentence = text => text.replace(/[^.!?…]$/, "$&.");

// What went wrong, and what to do about it.
const mistake = ({pointer, detail}) => /^rule \d/.test(detail) || !pointer ? detail : `${pointer.replace(/^[/?]/, "")}: ${detail}`;

export function errorBox(error) {
  return h("div", {class: "error", role: "alert"}, h("strong", null, sentence(error.message)), " ", error.advice,
    error.errors?.length ? h("ul", null, error.errors.map(e => h("li", null, mistake(e)))) : null);
}

export function toast(text) {
  const item = h("p", null, text);
  document.getElementById("toasts").append(item);
  setTimeout(() => item.remove(), 5000);
}

// A form whose submission runs `run`; what it throws is shown in the form. It cannot be sent twice at once.
export function form(props, content, run) {
  const errors = h("div");
  const element = h("form", {novalidate: false, ...props}, content, errors);
  element.addEventListener("submit", async event => {
    event.preventDefault();
    const buttons = [...element.querySelectorAll("button")];
    errors.replaceChildren();
    buttons.forEach(b => { b.disabled = true; });
    try {
      await run(values(element), element);
    } catch (error) {
      errors.replaceChildren(errorBox(error));
    } finally {
      buttons.forEach(b => { b.disabled = false; });
    }
  });
  return element;
}

// A modal form; `run` gets its values, and the dialog closes when it is done. Escape closes it. cancel false: there is
// nothing to give up.
export function dialog(title, content, {submit = "Save", danger = false, cancel = true, run}) {
  const heading = h("h2", {id: "dialog-title"}, title);
  const box = h("dialog", {"aria-labelledby": "dialog-title"});
  box.append(form(null, [heading, content, h("div", {class: "buttons"},
    h("button", {type: "submit", class: danger ? "danger" : "primary"}, submit), cancel && button("Cancel", () => box.close()))],
  async (data, element) => {
    await run(data, element);
    box.close();
  }));
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  return box;
}

export const confirmed = (title, text, submit, run) => dialog(title, h("p", null, text), {submit, danger: true, run});

// columns: [{title, cell(item) -> text or element, class}]; on a phone each row is a card with the titles in it.
export function row(columns, item) {
  return h("tr", null, columns.map(c => h("td", {"data-title": c.title, class: c.class}, c.cell(item) ?? "")));
}

export function table(caption, columns, items, empty = "Nothing here.") {
  return h("div", {class: "scroll"}, h("table", null, h("caption", null, caption),
    h("thead", null, h("tr", null, columns.map(c => h("th", {scope: "col", class: c.class}, c.title)))),
    h("tbody", null, items.length ? items.map(i => row(columns, i)) :
      h("tr", {class: "empty"}, h("td", {colspan: columns.length}, empty)))));
}

// A table of pages: load(cursor) -> {items, next}; what comes next is asked for by a button.
export async function pagedTable(caption, columns, load, empty) {
  const first = await load();
  const box = table(caption, columns, first.items, empty);
  let {next} = first;
  const more = button("Show more", async () => {
    more.disabled = true;
    try {
      const page = await load(next);
      next = page.next;
      box.querySelector("tbody").append(...page.items.map(i => row(columns, i)));
      more.hidden = !next;
    } catch (error) {
      if (error.name !== "AbortError") more.after(errorBox(error));
    }
    more.disabled = false;
  }, {hidden: !next, class: "more"});
  return h("div", null, box, more);
}

export const facts = pairs => h("dl", {class: "facts"}, Object.entries(pairs)
  .filter(([, v]) => v !== undefined)
  .map(([k, v]) => h("div", null, h("dt", null, k), h("dd", null, v === null || v === "" ? "–" : v))));
