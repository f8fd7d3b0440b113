// SPDX-License-Identifier: Apache-2.0
// Test program over MQTT.js (4 and 5): what the lines of standard input say.
'use strict'

const readline = require('readline')
const mqtt = require('mqtt')
const version = require('mqtt/package.json').version

const texts = new Set(['id', 'filter', 'topic', 'payload', 'wtopic', 'wpayload', 'content', 'response',
  'correlation', 'key', 'value'])
const hex = (value) => Buffer.from(value).toString('hex')
const say = (line) => process.stdout.write(line + '\n')
let client
let is5

const commands = {
  connect (a) {
    is5 = a.version === '5'
    client = mqtt.connect({
      host: '127.0.0.1',
      port: Number(a.port),
      protocolVersion: Number(a.version),
      clientId: a.id.toString(),
      clean: a.clean === '1',
      reconnectPeriod: 0,
      properties: is5 ? { sessionExpiryInterval: Number(a.expiry) } : undefined,
      will: a.wtopic && {
        topic: a.wtopic.toString(), payload: a.wpayload, qos: Number(a.wqos), retain: a.wretain === '1'
      }
    })
    client.on('connect', (p) => {
      const shared = is5 && p.properties && p.properties.sharedSubscriptionAvailable === false ? 0 : 1
      say(`connected code=${p.reasonCode || p.returnCode || 0} present=${p.sessionPresent ? 1 : 0} shared=${shared}`)
    })
    client.on('message', (topic, payload, p) => {
      const q = p.properties || {}
      let line = `message qos=${p.qos} retain=${p.retain ? 1 : 0} topic=${hex(topic)} payload=${payload.toString('hex')}`
      if (q.contentType !== undefined) line += ` content=${hex(q.contentType)}`
      if (q.responseTopic !== undefined) line += ` response=${hex(q.responseTopic)}`
      if (q.correlationData !== undefined) line += ` correlation=${q.correlationData.toString('hex')}`
      for (const [key, value] of Object.entries(q.userProperties || {})) line += ` key=${hex(key)} value=${hex(value)}`
      say(line)
    })
    client.on('error', (error) => say(`error text=${hex(String(error))}`))
    const mine = client
    mine.on('close', () => { if (!mine.disconnecting) say('lost') })
  },
  subscribe (a) {
    client.subscribe(a.filter.toString(), { qos: Number(a.qos) }, (error, granted) =>
      say(`subscribed code=${error ? error.code || 128 : granted[0].qos}`))
  },
  unsubscribe (a) {
    client.unsubscribe(a.filter.toString(), (error) => say(`unsubscribed code=${error ? 128 : 0}`))
  },
  publish (a) {
    const options = { qos: Number(a.qos), retain: a.retain === '1' }
    if (is5 && a.content) {
      options.properties = {
        contentType: a.content.toString(),
        responseTopic: a.response.toString(),
        correlationData: a.correlation,
        userProperties: { [a.key.toString()]: a.value.toString() }
      }
    }
    client.publish(a.topic.toString(), a.payload, options, (error) => say(`published code=${error ? error.code || 128 : 0}`))
  },
  disconnect () {
    client.end(false, {}, () => say('disconnected'))
  }
}

say(`library MQTT.js ${version}`)
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const [word, ...pairs] = line.split(' ')
  const a = {}
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    const key = pair.slice(0, at)
    a[key] = texts.has(key) ? Buffer.from(pair.slice(at + 1), 'hex') : pair.slice(at + 1)
  }
  commands[word](a)
}).on('close', () => process.exit(0))
