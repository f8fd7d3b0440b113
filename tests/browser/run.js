// SPDX-License-Identifier: Apache-2.0
// run.js node | run.js browser CHROMIUM PAGE SPKI DIRECTORY: one exercise a line on standard input, as JSON; one
// line of answer each: "done N" or "failed: WHY". The browser takes a picture of each page into DIRECTORY.
'use strict';
const readline = require('readline');

function inNode() {
  const memory = new Map();  // Paho keeps unfinished flows there
  globalThis.localStorage = {setItem: (k, v) => memory.set(k, v), getItem: k => memory.get(k) ?? null,
                             removeItem: k => memory.delete(k), key: i => [...memory.keys()][i] ?? null,
                             get length() { return memory.size; }};
  globalThis.WebSocket = require('ws');
  globalThis.mqtt = require('mqtt');
  globalThis.Paho = require('paho-mqtt');
  require('./exercise.js');
  return async options => `done ${await globalThis.exercise(options, () => {})}`;
}

async function inBrowser(executablePath, page, spki, directory) {
  const {chromium} = require('playwright-core');
  const browser = await chromium.launch({
    executablePath, args: ['--no-sandbox', `--ignore-certificate-errors-spki-list=${spki}`]});
  process.stdin.on('end', () => browser.close());
  return async options => {
    const tab = await browser.newPage({viewport: {width: 700, height: 700}});
    await tab.goto(`${options.page || page}?${new URLSearchParams(options)}`);
    await tab.waitForFunction(() => document.title !== 'at work', null, {timeout: 40000});
    const title = await tab.title();
    await tab.screenshot({path: `${directory}/${options.id}.png`});
    await tab.close();
    return title;
  };
}

async function main([where, ...rest]) {
  const exercise = where === 'node' ? inNode() : await inBrowser(...rest);
  console.log('ready');
  for await (const line of readline.createInterface({input: process.stdin}))
    console.log(await exercise(JSON.parse(line)).catch(error => `failed: ${error.message || error}`));
}

main(process.argv.slice(2));
