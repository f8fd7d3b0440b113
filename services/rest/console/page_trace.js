// SPDX-License-Identifier: Apache-2.0
// What happens to one client or on one topic, as it happens: why did a message not arrive?
import {stream} from "./api.js";
import {button, errorBox, field, form, h, row, table} from "./dom.js";
import {clock} from "./text.js";

export const title = "Trace";

const KEPT = 500;
const bad = new Set(["denied", "subscribe_denied", "dropped", "lost", "not_retained"]);
const columns = [
  {title: "Time", class: "nowrap", cell: e => clock(e.time)}, {title: "At", cell: e => e.place}, {title: "Client", cell: e => e.client || "–"},
  {title: "Event", cell: e => h("span", {class: bad.has(e.event) ? "event bad" : "event"}, e.event)},
  {title: "Topic", cell: e => e.topic || "–"}, {title: "Detail", cell: e => e.detail || "–"},
];

export async function show(place, {query, signal}) {
  const state = h("p", {role: "status"}, "Not running."), result = h("div");
  let present = null;
  const stop = button("Stop", () => present?.abort(), {disabled: true});
  signal.addEventListener("abort", () => present?.abort(), {once: true});
  async function run(data) {
    const mine = present = new AbortController();
    const box = table("Events, newest first", columns, [], "Nothing has happened yet.");
    const body = box.querySelector("tbody");
    result.replaceChildren(box);
    state.textContent = "Listening …";
    stop.disabled = false;
    let events = 0;
    try {
      await stream("/trace", data, mine.signal, event => {
        if (events++ === 0) body.replaceChildren();
        body.prepend(row(columns, event));
        if (body.rows.length > KEPT) body.lastChild.remove();
        state.textContent = `Listening … ${events} events`;
      });
      state.textContent = "The trace has ended; start it again.";
    } catch (error) {
      state.textContent = mine.signal.aborted ? `Stopped after ${events} events.` : "The trace has ended.";
      if (!mine.signal.aborted) result.prepend(errorBox(error.status === undefined ? Object.assign(error, {advice: "Start it again."}) : error));
    } finally {
      if (present === mine) stop.disabled = true;
    }
  }
  const starter = form({class: "filters", id: "trace"}, [
    field("Client id", "client", {value: query.client}), field("Topic filter", "topic", {value: query.topic, placeholder: "sensors/#"}),
    field("For seconds", "seconds", {type: "number", min: 1, max: 3600, value: 600}),
    h("button", {type: "submit", class: "primary"}, "Start"), stop],
  async data => {
    if (!data.client && !data.topic)
      throw Object.assign(new Error("A trace is of a client or a topic."), {advice: "Fill in one of them, or both."});
    present?.abort();
    run(data);
  });
  place.replaceChildren(starter, state, result);
  if (query.client || query.topic) run(query);
}
