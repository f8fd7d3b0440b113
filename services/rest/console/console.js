// SPDX-License-Identifier: Apache-2.0
// The frame: which page the address names, the menu, the banner, signing in and out. A page is a module with
// `title` and `show(place, page)`; page: {args: parts of the path, query, signal that ends with the page, again()}.
import {can, events, me, resume, signOut, troubles} from "./api.js";
import {errorBox, h, sentence} from "./dom.js";
import * as feed from "./overview_feed.js";
import * as account from "./page_account.js";
import * as audit from "./page_audit.js";
import * as bans from "./page_bans.js";
import * as clients from "./page_clients.js";
import * as cluster from "./page_cluster.js";
import * as keys from "./page_keys.js";
import * as overview from "./page_overview.js";
import * as roles from "./page_roles.js";
import * as sessions from "./page_sessions.js";
import * as signIn from "./page_sign_in.js";
import * as tester from "./page_tester.js";
import * as topics from "./page_topics.js";
import * as trace from "./page_trace.js";
import * as users from "./page_users.js";

// path, module, who may see it
const pages = [
  ["", overview, "READER"], ["clients", clients, "READER"], ["sessions", sessions, "READER"],
  ["topics", topics, "READER"], ["users", users, "READER"], ["roles", roles, "READER"], ["bans", bans, "READER"],
  ["keys", keys, "ADMIN"], ["tester", tester, "USER"], ["trace", trace, "ADMIN"], ["cluster", cluster, "READER"],
  ["audit", audit, "ADMIN"], ["account", account, "OWN"],
];
const byId = id => document.getElementById(id);
const main = byId("main"), nav = byId("nav"), menu = byId("menu"), banner = byId("banner");
let present = new AbortController();

function maySee(role) {
  if (role === "OWN") return me().kind === "user";
  return role === "USER" || can("ADMIN") || can(role);
}

function parse() {
  const [where, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...args] = where.split("/");
  return {name, args: args.map(decodeURIComponent), query: Object.fromEntries(new URLSearchParams(query))};
}

function drawNav(current) {
  nav.replaceChildren(h("ul", null, pages.filter(([, , role]) => maySee(role)).map(([path, page]) =>
    h("li", null, h("a", {href: "#/" + path, "aria-current": path === current ? "page" : null}, page.title))),
  h("li", null, h("a", {href: "/rest/v3/swagger-ui", target: "_blank", rel: "noopener"}, "API ↗"))));
}

function openMenu(open) {
  menu.setAttribute("aria-expanded", open);
  nav.classList.toggle("open", open);
}

async function show(module, page) {
  present.abort();
  present = new AbortController();
  page.signal = present.signal;
  page.again = () => show(module, page);
  const heading = h("h1", null, module.title), place = h("div", {class: "page"}, h("p", {class: "loading"}, "Loading …"));
  document.title = `${module.title} – Sluice`;
  main.replaceChildren(heading, place);
  openMenu(false);
  try {
    await module.show(place, page);
  } catch (error) {
    if (error.name === "AbortError" || page.signal.aborted) return;
    if (error.status === undefined) console.error(error);
    place.replaceChildren(errorBox(error));
  }
}

function route(event) {
  const signedIn = me() !== null;
  byId("top").hidden = nav.hidden = !signedIn;
  if (!signedIn) {
    show(signIn, {done: () => { feed.start(); route(); }});
    return;
  }
  byId("who").textContent = me().kind === "user" ? me().name : `key: ${me().name || "configured"}`;
  const {name, args, query} = parse();
  const [, fallback] = pages.find(([, , role]) => maySee(role));
  const found = pages.find(([path, , role]) => path === name && maySee(role));
  drawNav(found?.[0]);
  show(found?.[1] ?? fallback, {args, query});
  if (event) main.focus({preventScroll: true}); // the keyboard goes on in the new page
  scrollTo(0, 0);
}

function drawBanner() {
  const now = troubles();
  banner.hidden = now.length === 0;
  banner.replaceChildren(...now.map(t => h("p", null, h("strong", null, sentence(t)), " This page tries again by itself.")));
}

events.addEventListener("trouble", drawBanner);
events.addEventListener("signed-out", () => { feed.stop(); route(); });
addEventListener("hashchange", route);
byId("skip").addEventListener("click", event => { event.preventDefault(); main.focus(); });
menu.addEventListener("click", () => openMenu(menu.getAttribute("aria-expanded") !== "true"));
addEventListener("keydown", event => {
  if (event.key === "Escape" && menu.getAttribute("aria-expanded") === "true") {
    openMenu(false);
    menu.focus();
  }
});
byId("sign-out").addEventListener("click", () => signOut().catch(error => main.prepend(errorBox(error))));

resume().then(known => {
  if (known) feed.start();
  route();
}, error => main.replaceChildren(errorBox(error)));
