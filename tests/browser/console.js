// SPDX-License-Identifier: Apache-2.0
// console.js CHROMIUM URL DIRECTORY: what people do in the console, one step a line on standard input, as JSON:
// {"step": ..., ...}; one line of answer each, JSON: {"ok": result} or {"failed": why}. Elements are found as a screen
// reader finds them, by role and name, so that a page without labels fails. The pictures go to DIRECTORY.
'use strict';
const readline = require('readline');
const {chromium} = require('playwright-core');

const [, , executablePath, base, directory] = process.argv;
const WAIT_MS = 20000;
let browser, context, page, complaints = [], strangers = [];

const go = hash => page.evaluate(h => { location.hash = h; }, `#/${hash}`);
const button = (name, within = page) => within.getByRole('button', {name, exact: true});
const heading = name => page.getByRole('heading', {name, exact: true, level: 1}).waitFor();
const loaded = () => page.locator('.loading').waitFor({state: 'detached'});
const row = text => page.getByRole('row').filter({hasText: text}).first();

const steps = {
  // A new window, nobody signed in.
  async open({scheme = 'light', width = 1280, height = 860}) {
    await context?.close();
    complaints = [];
    strangers = [];
    context = await browser.newContext({viewport: {width, height}, colorScheme: scheme, reducedMotion: 'reduce'});
    context.setDefaultTimeout(WAIT_MS);
    page = await context.newPage();
    page.on('pageerror', error => complaints.push(error.message));
    page.on('console', m => {
      // The browser says this of every answer from 400 on; what the page makes of those is what is tested.
      if (m.type() === 'error' && !m.text().startsWith('Failed to load resource')) complaints.push(m.text());
    });
    page.on('request', r => {
      if (!r.url().startsWith(base) && !/^(data|blob):/.test(r.url())) strangers.push(r.url());
    });
    await page.goto(base);
    await heading('Sign in');
  },
  async signIn({name, password}) {
    await page.getByLabel('User', {exact: true}).fill(name);
    await page.getByLabel('Password', {exact: true}).fill(password);
    await button('Sign in').click();
  },
  async signInWithKey({key}) {
    await page.getByText('No user with the role ADMIN yet?').click();
    await page.getByLabel('API key').fill(key);
    await button('Sign in with the key').click();
  },
  signOut: () => button('Sign out').click().then(() => heading('Sign in')),
  reload: () => page.reload(),
  go: ({hash, title}) => go(hash).then(() => heading(title)),
  heading: ({title}) => heading(title),
  click: ({name}) => button(name).click(),
  clickInRow: ({text, name}) => row(text).getByRole('button', {name}).click(),
  fill: ({label, value}) => page.getByLabel(label, {exact: true}).fill(value),
  submitDialog: ({name}) => button(name, page.getByRole('dialog').last()).click().then(() => page.getByRole('dialog').waitFor({state: 'detached'})),
  select: ({label, value}) => page.getByLabel(label, {exact: true}).selectOption(value),
  value: ({label}) => page.getByLabel(label, {exact: true}).inputValue(),
  checked: ({label}) => page.getByLabel(label, {exact: true}).isChecked(),
  check: ({label}) => page.getByLabel(label, {exact: true}).check(),
  fillInDialog: ({label, value}) => page.getByRole('dialog').getByLabel(label, {exact: true}).fill(value),
  submit: ({name}) => button(name, page.getByRole('dialog').last()).click(),
  seeButton: ({name}) => button(name).waitFor(),
  clickLink: ({name}) => page.getByRole('main').getByRole('link', {name, exact: true}).click(),
  text: () => page.locator('body').innerText(),
  // What a button makes the browser save.
  async download({name}) {
    const [file] = await Promise.all([page.waitForEvent('download'), button(name).click()]);
    return {name: file.suggestedFilename(), text: require('fs').readFileSync(await file.path(), 'utf8')};
  },
  see: ({text}) => page.getByText(text).first().waitFor(),
  seeRow: ({texts}) => texts.reduce((rows, t) => rows.filter({hasText: t}), page.getByRole('row')).first().waitFor(),
  seeNoRow: ({text}) => page.getByRole('row').filter({hasText: text}).first().waitFor({state: 'detached'}),
  alert: () => page.getByRole('alert').first().innerText(),
  bannerSays: ({text}) => page.locator('#banner').getByText(new RegExp(text)).first().waitFor(),
  noBanner: () => page.locator('#banner').waitFor({state: 'hidden'}),
  links: () => page.getByRole('navigation').getByRole('link').allInnerTexts(),
  buttons: () => loaded().then(() => page.getByRole('main').getByRole('button').allInnerTexts()),
  cookies: () => context.cookies(base + 'api/v1/session'),

  async addUser({name, password, rules}) {
    await go('users');
    await button('Add a user …').click();
    const dialog = page.getByRole('dialog', {name: 'Add a user'});
    await dialog.getByLabel('Name', {exact: true}).fill(name);
    await dialog.getByLabel('Password', {exact: true}).fill(password);
    for (const [verb, what, filter] of rules) {
      await dialog.getByLabel('Allow or deny').selectOption(verb);
      await dialog.getByLabel('What', {exact: true}).selectOption(what);
      await dialog.getByLabel('Topic filter').fill(filter);
      await button('Add rule', dialog).click();
    }
    await page.screenshot({path: `${directory}/console-add-user.png`});
    await button('Add', dialog).click();
    await dialog.waitFor({state: 'detached'});
    await row(name).waitFor();
  },
  async trace({client = '', topic = ''}) {
    await go('trace');
    await page.getByLabel('Client id').fill(client);
    await page.getByLabel('Topic filter').fill(topic);
    await button('Start').click();
    await page.getByText('Listening').waitFor();
  },
  async testerConnect({url, user, password}) {
    await go('tester');
    const form = page.locator('#connect');
    const suggested = await form.getByLabel('WebSocket address').inputValue();
    await form.getByLabel('WebSocket address').fill(url);
    await form.getByLabel('User').fill(user);
    await form.getByLabel('Password').fill(password);
    await button('Connect', form).click();
    return suggested;
  },
  async testerSubscribe({filter, qos}) {
    const form = page.locator('#subscribe');
    await form.getByLabel('Topic filter').fill(filter);
    await form.getByLabel('QoS').selectOption(String(qos));
    await button('Subscribe', form).click();
  },
  async testerPublish({topic, payload, qos}) {
    const form = page.locator('#publish');
    await form.getByLabel('Topic', {exact: true}).fill(topic);
    await form.getByLabel('QoS').selectOption(String(qos));
    await form.getByLabel('Payload').fill(payload);
    await button('Publish', form).click();
  },
  // Keys only: presses Tab until the element with this role and name has the focus, then types.
  async keys({role, name, type, press, most = 60}) {
    const wanted = page.getByRole(role, {name, exact: true}).first();
    await wanted.waitFor();
    for (let i = 0; !await wanted.evaluate(e => e === document.activeElement); i++) {
      if (i === most) throw new Error(`${most} times Tab do not lead to ${role} ${name}`);
      await page.keyboard.press('Tab');
    }
    const ring = await wanted.evaluate(e => getComputedStyle(e).outlineStyle);
    if (ring === 'none') throw new Error(`one cannot see that ${role} ${name} has the focus`);
    if (type) await page.keyboard.type(type);
    if (press) await page.keyboard.press(press);
  },
  press: ({key}) => page.keyboard.press(key),
  focused: () => page.evaluate(() => document.activeElement.innerText || document.activeElement.id || document.activeElement.tagName),
  // A picture of the whole page; result: does it stick out at the side?
  async picture({name, hash, title, points = 0}) {
    if (hash !== undefined) {
      await go(hash);
      await heading(title);
      await loaded();
    }
    if (points) await page.waitForFunction(n => document.querySelector('.line')?.points.numberOfItems >= n, points);
    await page.mouse.move(0, 0);
    await page.screenshot({path: `${directory}/console-${name}.png`, fullPage: true});
    return page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  },
  // Swagger UI: one operation of /rest is authorized, tried out and answered.
  async swagger({key, path, parameter, value}) {
    await page.goto(`${base}rest/v3/swagger-ui`);
    await page.getByRole('button', {name: 'Authorize'}).click();
    await page.locator('.auth-container input').first().fill(key);
    await page.locator('.auth-container .authorize').first().click();
    await page.locator('.modal-ux .close-modal').click();
    const operation = page.locator('.opblock-get').filter({hasText: path}).first();
    await operation.locator('.opblock-summary-control').click();
    await operation.getByRole('button', {name: 'Try it out'}).click();
    await operation.getByPlaceholder(parameter).fill(value);
    await operation.getByRole('button', {name: 'Execute'}).click();
    const answer = operation.locator('.live-responses-table .response').first();
    await answer.waitFor();
    await page.screenshot({path: `${directory}/swagger-try-it-out.png`, fullPage: true});
    const said = await answer.innerText();
    await page.goto(`${base}rest/v3/swagger-ui?urls.primaryName=Sluice%20%2Fapi%2Fv1`);
    await page.getByText('listUsers').or(page.getByText('/users').first()).first().waitFor();
    return said;
  },
  complaints: () => ({complaints, strangers}),
};

async function main() {
  browser = await chromium.launch({executablePath, args: ['--no-sandbox']});
  console.log('ready');
  for await (const line of readline.createInterface({input: process.stdin})) {
    const {step, ...options} = JSON.parse(line);
    const answer = await Promise.resolve(steps[step](options)).then(ok => ({ok: ok ?? null}), async error => {
      await page?.screenshot({path: `${directory}/console-failed.png`, fullPage: true}).catch(() => {});
      return {failed: `${step}: ${error.message}`};
    });
    console.log(JSON.stringify(answer));
  }
  await browser.close();
}

main();
