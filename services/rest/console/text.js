// SPDX-License-Identifier: Apache-2.0
// Numbers and times as people read them. No elements, no requests.

export const count = n => n === null || n === undefined ? "–" : Math.round(n).toLocaleString("en");

export function short(n) { // 12,345,678 -> 12.3 M
  if (n === null || n === undefined) return "–";
  for (const [unit, size] of [[" G", 1e9], [" M", 1e6], [" k", 1e4]])
    if (n >= size) return (n / (unit === " k" ? 1e3 : size)).toFixed(1) + unit;
  return n >= 10 || Number.isInteger(n) ? count(n) : n.toFixed(1);
}

export function bytes(n) {
  if (n === null || n === undefined) return "–";
  for (const [unit, size] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]])
    if (n >= size) return `${(n / size).toFixed(1)} ${unit}`;
  return `${n} B`;
}

export function seconds(s) {
  if (s === null || s === undefined) return "–";
  if (s < 0.001) return `${Math.round(s * 1e6)} µs`;
  if (s < 1) return `${(s * 1e3).toFixed(s < 0.01 ? 1 : 0)} ms`;
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

export const clip = (text, length) => text.length > length ? `${text.slice(0, length)} …` : text;
export const when = time => time ? new Date(time).toLocaleString("sv") : "–";
export const clock = time => time ? new Date(time).toLocaleTimeString("sv", {hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3}) : "–";
export const yes = value => value ? "yes" : "no";
