// SPDX-License-Identifier: Apache-2.0
// Requests to /api/v1: who one is, problems as errors that say what to do, and waiting for programs that are away.
// Knows nothing of pages; console.js shows what `trouble` says.

const prefix = "/api/v1";
const state = {me: null, key: null, troubles: new Map()};
export const events = new EventTarget(); // "trouble", "signed-out"

export const me = () => state.me;
export const can = role => Boolean(state.me?.roles.includes(role));
// What stands in the banner: whoever is away is named by the overview; else what the questions were answered.
export const troubles = () => state.troubles.has("overview") ? [state.troubles.get("overview")] : [...new Set(state.troubles.values())];

export function trouble(who, text) { // null: over
  if (text === null ? state.troubles.delete(who) : state.troubles.get(who) !== text && state.troubles.set(who, text))
    events.dispatchEvent(new Event("trouble"));
}

export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(body?.detail || body?.title || `The server answered with ${status}`);
    this.status = status;
    this.code = body?.code;
    this.errors = body?.errors;
    this.retryAfter = retryAfter;
  }

  get advice() {
    switch (this.status) {
    case 0: return "Check the network and that sluice-rest is running, then try again.";
    case 400: case 422: return "Correct what is named and send it again.";
    case 401: return "Sign in again; after several wrong attempts, wait a minute.";
    case 403: return "Ask an administrator for the role that this needs, or sign in as somebody else.";
    case 404: return "It may be gone meanwhile: go back to the list and refresh it.";
    case 409: return "Choose another name, or edit what is there.";
    case 412: return "Somebody changed it meanwhile: close this, open it again, and repeat your change.";
    case 413: return "Make it smaller.";
    case 429: return `Wait ${this.retryAfter} s and try again.`;
    case 503: return `Nothing is lost. Try again in ${this.retryAfter} s; if it stays so, look at the page Cluster.`;
    default: return "Try again; if it stays so, look at the log of sluice-rest.";
    }
  }
}

function headers(options) {
  const out = {};
  if (options.body !== undefined) out["Content-Type"] = "application/json";
  if (options.etag) out["If-Match"] = options.etag;
  if (state.key) out["X-API-Key"] = state.key;
  else if (state.me?.csrf_token) out["X-CSRF-Token"] = state.me.csrf_token;
  return out;
}

export const url = (path, query) => {
  const given = Object.entries(query ?? {}).filter(([, v]) => v !== undefined && v !== null && v !== "");
  return prefix + path + (given.length ? "?" + new URLSearchParams(given) : "");
};

// /users/{name}: path`/users/${name}`, with the name escaped.
export const path = (parts, ...names) => String.raw({raw: parts}, ...names.map(encodeURIComponent));

// The Response of a request that went well; throws Problem otherwise, AbortError when the signal says so.
export async function send(verb, where, options = {}) {
  let response;
  try {
    response = await fetch(url(where, options.query), {
      method: verb, headers: headers(options), signal: options.signal, credentials: state.key ? "omit" : "same-origin",
      body: options.body === undefined ? undefined : JSON.stringify(options.body)});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, {detail: "The REST service does not answer."}, 2);
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  const problem = new Problem(response.status, body, Number(response.headers.get("Retry-After")) || 2);
  if (problem.status === 401 && state.me) {
    state.me = state.key = null;
    events.dispatchEvent(new Event("signed-out"));
  }
  throw problem;
}

async function body(response) {
  const text = await response.text();
  const value = text ? JSON.parse(text) : {};
  if (value && typeof value === "object")
    Object.defineProperty(value, "etag", {value: response.headers.get("ETag")}); // not shown, not sent back
  return value;
}

// A change: once. The caller shows what goes wrong.
export const change = async (verb, where, options) => body(await send(verb, where, options));

const wait = (ms, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, ms);
  signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, {once: true});
});

let questions = 0;

// A question: while a program is away it is asked again, and the banner says so.
export async function get(where, query, signal) {
  const who = `get ${++questions}`;
  try {
    for (;;) {
      try {
        return await body(await send("GET", where, {query, signal}));
      } catch (problem) {
        if (![0, 429, 503].includes(problem.status)) throw problem;
        trouble(who, problem.message);
        await wait(problem.retryAfter * 1000, signal);
      }
    }
  } finally {
    trouble(who, null);
  }
}

export async function signIn(name, password) {
  state.me = await change("POST", "/session", {body: {name, password}});
}

// With a key: it stays in the memory of this page and is forgotten with it.
export async function signInWithKey(key) {
  state.key = key;
  try {
    state.me = await change("GET", "/session");
  } catch (problem) {
    state.key = null;
    throw problem;
  }
}

// Is the cookie of an earlier visit still good?
export async function resume() {
  try {
    state.me = await get("/session");
  } catch (problem) {
    if (problem.status !== 401) throw problem;
  }
  return state.me;
}

// Of a user: ends all sign-ins, on other devices too. One that has ended already (401) is no error.
export async function signOut() {
  try {
    if (state.me && !state.key) await change("DELETE", "/session");
  } catch (problem) {
    if (problem.status !== 401) throw problem;
    return;
  }
  state.me = state.key = null;
  events.dispatchEvent(new Event("signed-out"));
}

// Server-sent events, by fetch: EventSource cannot say why it was refused. event(object) for each, until "end".
export async function stream(where, query, signal, event) {
  const reader = (await send("GET", where, {query, signal})).body.pipeThrough(new TextDecoderStream()).getReader();
  let left = "";
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    const blocks = (left + value).split(/\r?\n\r?\n/);
    left = blocks.pop();
    for (const block of blocks) {
      const said = block.split(/\r?\n/);
      if (said.some(l => /^event: *end$/.test(l))) return;
      const data = said.filter(l => l.startsWith("data:")).map(l => l.slice(5).trimStart()).join("\n");
      if (data) event(JSON.parse(data));
    }
  }
}
