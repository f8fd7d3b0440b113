// SPDX-License-Identifier: Apache-2.0
// GET /overview every two seconds while the page is seen: rates for the charts from what rises between two answers,
// and the banner when a program does not answer. Keeps the last five minutes, so that charts survive a change of page.
import {can, send, trouble} from "./api.js";

const EVERY_MS = 2000, KEPT = 150;
const samples = []; // {time_ms, overview, in, out, drops, p50, p99}
const listeners = new Set();
let timer = null, run = 0;

export const history = () => samples;

export function listen(listener, signal) {
  listeners.add(listener);
  signal.addEventListener("abort", () => listeners.delete(listener), {once: true});
}

// The bound below which `share` of what came between two answers lies; null: nothing came.
export function quantile(before, now, share) {
  const counts = now.buckets.map(([bound, n], i) => [bound, n - (before.buckets[i]?.[1] ?? 0)]);
  const all = now.count - before.count;
  if (all <= 0) return null;
  return (counts.find(([, n]) => n >= all * share) ?? counts.at(-1))?.[0] ?? null;
}

function compare(overview) {
  const before = samples.at(-1), time_ms = Date.parse(overview.time);
  const sample = {time_ms, overview, in: null, out: null, drops: {}, p50: null, p99: null};
  const seconds = before ? (time_ms - before.time_ms) / 1000 : 0;
  if (seconds <= 0 || seconds > 30 || before.overview.unreachable?.length !== overview.unreachable?.length) return sample;
  const rate = (now, then) => Math.max(0, (now - then) / seconds); // a program that began anew counts from 0
  sample.in = rate(overview.received_total, before.overview.received_total);
  sample.out = rate(overview.sent_total, before.overview.sent_total);
  for (const [reason, n] of Object.entries(overview.drops_total ?? {}))
    sample.drops[reason] = rate(n, before.overview.drops_total?.[reason] ?? 0);
  if (overview.delivery_seconds?.buckets && before.overview.delivery_seconds?.buckets) {
    sample.p50 = quantile(before.overview.delivery_seconds, overview.delivery_seconds, 0.5);
    sample.p99 = quantile(before.overview.delivery_seconds, overview.delivery_seconds, 0.99);
  }
  return sample;
}

// Gateways are named; a store is told by its address.
function judge(unreachable) {
  const names = unreachable.map(name => name.includes(":") ? `the store at ${name}` : name === "cores" ? "the cores" : name);
  trouble("overview", names.length === 0 ? null :
    `No answer from ${names.join(", ")}: what is shown is incomplete, and changes may be refused.`);
}

async function ask(mine) {
  try {
    if (!document.hidden) {
      const overview = await (await send("GET", "/overview")).json();
      if (mine !== run) return;
      samples.push(compare(overview));
      if (samples.length > KEPT) samples.shift();
      judge(overview.unreachable ?? []);
      listeners.forEach(l => l());
    }
  } catch (problem) {
    if (mine !== run) return;
    trouble("overview", problem.message);
  }
  timer = setTimeout(ask, EVERY_MS, mine);
}

export function start() {
  if (can("READER") || can("ADMIN")) ask(++run);
}

export function stop() {
  run++;
  clearTimeout(timer);
  samples.length = 0;
  trouble("overview", null);
}
