/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scripts of driver_redis_scripts.h. Nothing from outside is ever part of a script: names and
 * values are arguments. S is the prefix of the shard's keys ("sluice:s:0:"), P that of all
 * ("sluice:"). Texts are compared byte by byte (later), since Lua's own order follows the locale.
 */
#include "services/store/driver_redis_scripts.h"

#include <stddef.h>

/* When a lease that is renewed now ends, by the server's clock; '0' for '0'. */
#define ENDS                                                                                       \
    "local function ends(ms)\n"                                                                    \
    "  local now = redis.call('TIME')\n"                                                           \
    "  return ms == '0' and ms or\n"                                                               \
    "    string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000) + ms)\n"                  \
    "end\n"

/* S, owner, now, lease in ms (0: none), holder, end of the lease that must be there ('': any).
 * Answer: the id of the last batch, or 'TAKEN'. */
static const char *const claim[] = {
    ENDS "local about, lease = ARGV[1]..'about', ARGV[1]..'lease'\n"
         "if ARGV[6] ~= '' and (redis.call('HGET', lease, 'until_ms') or '0') ~= ARGV[6] then\n"
         "  return 'TAKEN'\n"
         "end\n"
         "redis.call('HSET', about, 'owner', ARGV[2], 'since', ARGV[3])\n"
         "redis.call('HSET', lease, 'holder', ARGV[5], 'lease_ms', ARGV[4],\n"
         "  'until_ms', ends(ARGV[4]))\n"
         "return redis.call('HGET', about, 'batch') or '0'\n",
    NULL,
};

/* S, owner, lease in ms. */
static const char *const renew[] = {
    ENDS "if redis.call('HGET', ARGV[1]..'about', 'owner') ~= ARGV[2] then\n"
         "  return redis.error_reply('STALE another store has this shard')\n"
         "end\n"
         "redis.call('HSET', ARGV[1]..'lease', 'until_ms', ends(ARGV[3]))\n"
         "return 'renewed'\n",
    NULL,
};

/* P, number of shards. Answer: the server's time, then of each shard that somebody has had: number,
 * end of its lease, length of its lease, holder. */
static const char *const shards[] = {
    ENDS "local out = {ends(0)}\n"
         "for n = 0, tonumber(ARGV[2]) - 1 do\n"
         "  local row = redis.call('HMGET', ARGV[1]..'s:'..n..':lease', 'until_ms', 'lease_ms', "
         "'holder')\n"
         "  if row[1] then\n"
         "    out[#out + 1] = tostring(n)\n"
         "    for i = 1, 3 do out[#out + 1] = row[i] end\n"
         "  end\n"
         "end\n"
         "return out\n",
    NULL,
};

/* S, kind, session and place in it to go on from (both '' at first). Answer: session and place of
 * the next page (both '' at the end), then rows. A page has up to about 2,000 rows or 1 MiB. */
static const char *const load[] = {
    "local S, kind, session, place = ARGV[1], ARGV[2], ARGV[3], ARGV[4]\n"
    "local call = redis.call\n"
    "local out, rows, bytes = {'', ''}, 0, 0\n"
    "local function add(v)\n"
    "  out[#out + 1] = v\n"
    "  bytes = bytes + #v\n"
    "end\n"
    "local function full() return rows >= 2000 or bytes >= 1048576 end\n"
    "local fields = {'epoch', 'owner', 'conn', 'created_ms', 'disconnected_ms', 'seq_limit',\n"
    "  'expiry_s', 'receive_maximum', 'version', 'client_id', 'user', 'extra'}\n"
    /* Each gives the place to go on from in this session, or nothing when it is done with it. */
    "local read = {}\n"
    "function read.session(n, key)\n"
    "  local row = call('HMGET', key..'session', unpack(fields))\n"
    "  if row[1] then\n"
    "    add(n)\n"
    "    for i = 1, 12 do add(row[i] or '') end\n"
    "  end\n"
    "end\n"
    "function read.subscription(n, key, at)\n"
    "  at = tonumber(at) or 0\n"
    "  while true do\n"
    "    local some = call('ZRANGE', key..'subscriptions', at, at + 99, 'WITHSCORES')\n"
    "    for i = 1, #some, 2 do\n"
    "      add(n)\n"
    "      add(some[i])\n"
    "      add(some[i + 1])\n"
    "    end\n"
    "    at = at + 100\n"
    "    rows = rows + #some / 2\n"
    "    if #some < 200 then return nil end\n"
    "    if full() then return string.format('%.0f', at) end\n"
    "  end\n"
    "end\n"
    "function read.queue(n, key, at)\n"
    "  at = at == '' and '-' or '('..at..'!'\n"
    "  local count, sum, first, last = 0, 0, nil, nil\n"
    "  local more = true\n"
    "  while more and not full() do\n"
    "    local some = call('ZRANGEBYLEX', key..'queue', at, '+', 'LIMIT', 0, 200)\n"
    "    for _, entry in ipairs(some) do\n"
    "      last = string.sub(entry, 1, 16)\n"
    "      first = first or last\n"
    "      sum = sum + tonumber(string.sub(entry, 38, 45), 16)\n"
    "    end\n"
    "    count = count + #some\n"
    "    rows = rows + #some\n"
    "    more = #some == 200\n"
    "    if more then at = '('..last..'!' end\n"
    "  end\n"
    "  if count > 0 then\n"
    "    add(n)\n"
    "    add(string.format('%.0f', count))\n"
    "    add(string.format('%.0f', sum))\n"
    "    add(first)\n"
    "    add(last)\n"
    "  end\n"
    "  if more then return string.sub(at, 2, 17) end\n"
    "end\n"
    "function read.inbound(n, key)\n"
    "  local all = call('HGETALL', key..'inbound')\n"
    "  for i = 1, #all, 2 do\n"
    "    add(n)\n"
    "    add(all[i])\n"
    "    add(all[i + 1])\n"
    "  end\n"
    "  rows = rows + #all / 2\n"
    "end\n"
    "function read.will(n, key)\n"
    "  local row = call('HMGET', key..'will', 'due_ms', 'will')\n"
    "  if row[1] then\n"
    "    add(n)\n"
    "    add(row[1])\n"
    "    add(row[2] or '')\n"
    "  end\n"
    "end\n"
    "local function outbox()\n"
    "  local from = session == '' and '-' or '('..session\n"
    "  while true do\n"
    "    local some = call('ZRANGEBYLEX', S..'outbox:order', from, '+', 'LIMIT', 0, 8)\n"
    "    for _, seq in ipairs(some) do\n"
    "      add(seq)\n"
    "      add(call('HGET', S..'outbox', seq) or '')\n"
    "      rows = rows + 1\n"
    "      from = '('..seq\n"
    "      if full() then\n"
    "        out[1] = seq\n"
    "        return out\n"
    "      end\n"
    "    end\n"
    "    if #some < 8 then return out end\n"
    "  end\n"
    "end\n"
    "if kind == 'outbox' then return outbox() end\n"
    "if not read[kind] then\n" /* meta, tokens: few rows */
    "  for _, v in ipairs(call('HGETALL', S..kind)) do add(v) end\n"
    "  return out\n"
    "end\n"
    "local from = session == '' and '-' or '['..session\n"
    "while true do\n"
    "  local some = call('ZRANGEBYLEX', S..'sessions', from, '+', 'LIMIT', 0, 200)\n"
    "  for _, n in ipairs(some) do\n"
    "    local at = read[kind](n, S..'{'..n..'}:', n == session and place or '')\n"
    "    rows = rows + 1\n"
    "    if at then\n"
    "      out[1], out[2] = n, at\n"
    "      return out\n"
    "    end\n"
    "    if full() then\n"
    "      out[1] = n..'!'\n" /* the first session behind n */
    "      return out\n"
    "    end\n"
    "    from = '('..n\n"
    "  end\n"
    "  if #some < 200 then return out end\n"
    "end\n",
    NULL,
};

/* S, session, first sequence, messages and bytes at most. Answer: '1' if others follow, rows looked
 * at, then entries with their bodies ('' when the record is in the entry). */
static const char *const queue[] = {
    "local S, call = ARGV[1], redis.call\n"
    "local key, from = S..'{'..ARGV[2]..'}:queue', '['..ARGV[3]\n"
    "local left, room = tonumber(ARGV[4]), tonumber(ARGV[5])\n"
    "local out, bytes, count, looked = {'0', '0'}, 0, 0, 0\n"
    "while true do\n"
    "  local want = math.min(left - count + 1, 100)\n"
    "  local some = call('ZRANGEBYLEX', key, from, '+', 'LIMIT', 0, want)\n"
    "  looked = looked + #some\n"
    "  for _, entry in ipairs(some) do\n"
    "    if count >= left or (count > 0 and bytes >= room) then\n"
    "      out[1], out[2] = '1', string.format('%.0f', looked)\n"
    "      return out\n"
    "    end\n"
    "    local b, record = string.sub(entry, 18, 33), ''\n"
    "    if b ~= '0000000000000000' then\n"
    "      record = call('HGET', S..'body:'..b, 'record')\n"
    "      if not record then return redis.error_reply('DAMAGED a queue entry has no body') end\n"
    "    end\n"
    "    bytes = bytes + tonumber(string.sub(entry, 38, 45), 16)\n"
    "    count = count + 1\n"
    "    out[#out + 1] = entry\n"
    "    out[#out + 1] = record\n"
    "  end\n"
    "  if #some < want then\n"
    "    out[2] = string.format('%.0f', looked)\n"
    "    return out\n"
    "  end\n"
    "  from = '('..some[#some]\n"
    "end\n",
    NULL,
};

/* P, filter with '/' as 0x00, lowest key that could match, 1 if that key itself is done with,
 * messages and bytes at most, rows to look at. Answer: topic to go on behind ('': complete), rows
 * looked at, then rows. judge is topic_seek_judge of topic_seek.c. */
static const char *const retained[] = {
    "local P, filter, call = ARGV[1], ARGV[2], redis.call\n"
    "local max, room, left = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])\n"
    "local SHORT = 440\n"
    "local byte, find, sub = string.byte, string.find, string.sub\n"
    "local want = {}\n"
    "do\n"
    "  local at = 1\n"
    "  while true do\n"
    "    local e = find(filter, '\\0', at, true)\n"
    "    want[#want + 1] = sub(filter, at, (e or #filter + 1) - 1)\n"
    "    if not e then break end\n"
    "    at = e + 1\n"
    "  end\n"
    "end\n"
    /* How many bytes are the same; whether a is greater than b. */
    "local function compare(a, b)\n"
    "  local n = math.min(#a, #b)\n"
    "  for i = 1, n do\n"
    "    local x, y = byte(a, i), byte(b, i)\n"
    "    if x ~= y then return i - 1, x > y end\n"
    "  end\n"
    "  return n, #a > #b\n"
    "end\n"
    "local function seek(key, prefix, between, tail)\n"
    "  local to = sub(sub(prefix, 1, SHORT)..between..tail, 1, SHORT)\n"
    "  local _, beyond = compare(to, key)\n"
    "  if beyond then return 'seek', to end\n"
    "  return 'next'\n"
    "end\n"
    "local function back(key, topic, plus, decided)\n"
    "  if #key > SHORT and decided > SHORT then return 'next' end\n"
    "  if not plus then return 'done' end\n"
    "  return seek(key, sub(topic, 1, plus), '\\1', '')\n"
    "end\n"
    "local function judge(key, topic)\n"
    "  local at, plus = 1, nil\n"
    "  if byte(topic, 1) == 36 and (want[1] == '+' or want[1] == '#') then return 'seek', '%' end\n"
    "  for f = 1, #want do\n"
    "    local w = want[f]\n"
    "    if w == '#' then return 'hit' end\n"
    "    if at > #topic + 1 then\n"
    "      return seek(key, topic, '\\0', w == '+' and '' or w)\n"
    "    end\n"
    "    local e = (find(topic, '\\0', at, true) or #topic + 1) - 1\n"
    "    if w == '+' then\n"
    "      plus = e\n"
    "    else\n"
    "      local have = sub(topic, at, e)\n"
    "      if have ~= w then\n"
    "        local same, greater = compare(have, w)\n"
    "        if greater then return back(key, topic, plus, at + same) end\n"
    "        if at == 1 then return seek(key, '', '', w) end\n"
    "        return seek(key, sub(topic, 1, at - 2), '\\0', w)\n"
    "      end\n"
    "    end\n"
    "    at = e + 2\n"
    "  end\n"
    "  if at > #topic + 1 then return 'hit' end\n"
    "  return back(key, topic, plus, at - 1)\n"
    "end\n"
    "local function topic_of(row)\n"
    "  return sub(row, 11, 10 + byte(row, 9) * 256 + byte(row, 10))\n"
    "end\n"
    "local out, count, bytes, looked = {'', '0'}, 0, 0, 0\n"
    "local function page(next)\n"
    "  out[1], out[2] = next, string.format('%.0f', looked)\n"
    "  return out\n"
    "end\n"
    "local from, chunk = ARGV[3] == '' and '-' or (ARGV[4] == '1' and '(' or '[')..ARGV[3], 1\n"
    "while true do\n"
    "  local some = call('ZRANGEBYLEX', P..'retained:topics', from, '+', 'LIMIT', 0, chunk)\n"
    "  looked = looked + math.max(#some, 1)\n"
    "  local sought = false\n"
    "  for _, key in ipairs(some) do\n"
    "    local row, topic, answer, to\n"
    "    if #key > SHORT then\n"
    "      row = call('HGET', P..'retained', key)\n"
    "      if not row then return redis.error_reply('DAMAGED a topic has no message') end\n"
    "      topic = string.gsub(topic_of(row), '/', '\\0')\n"
    "      answer, to = judge(key, topic)\n"
    "    else\n"
    "      answer, to = judge(key, key)\n"
    "    end\n"
    "    left = left - 1\n"
    "    if answer == 'done' then return page('') end\n"
    "    if answer == 'hit' then\n"
    "      row = row or call('HGET', P..'retained', key)\n"
    "      if not row then return redis.error_reply('DAMAGED a topic has no message') end\n"
    "      topic = topic_of(row)\n"
    "      out[#out + 1] = row\n"
    "      count = count + 1\n"
    "      bytes = bytes + #row - 10 - #topic\n"
    "    end\n"
    "    if count >= max or (count > 0 and bytes >= room) or left <= 0 then\n"
    "      if #key > SHORT then return page(topic_of(row)) end\n"
    "      return page((string.gsub(key, '%z', '/')))\n"
    "    end\n"
    "    if answer == 'seek' then\n"
    "      from, chunk, sought = '['..to, 1, true\n"
    "      break\n"
    "    end\n"
    "  end\n"
    "  if not sought then\n"
    "    if #some < chunk then return page('') end\n"
    "    from, chunk = '('..some[#some], math.min(chunk * 2, 64)\n"
    "  end\n"
    "end\n",
    NULL,
};

/* P, lowest expiry (8 bytes) that is too late ('': none is), how many at most. Answer: rows without
 * their records. */
static const char *const expired[] = {
    "local P, call = ARGV[1], redis.call\n"
    "local to = ARGV[2] == '' and '+' or '('..ARGV[2]\n"
    "local out = {}\n"
    "for _, at in ipairs(call('ZRANGEBYLEX', P..'retained:expiry', '-', to, 'LIMIT', 0, ARGV[3])) "
    "do\n"
    "  local row = call('HGET', P..'retained', string.sub(at, 9))\n"
    "  if not row then return redis.error_reply('DAMAGED an expiry has no message') end\n"
    "  out[#out + 1] = string.sub(row, 1, 10 + string.byte(row, 9) * 256 + string.byte(row, 10))\n"
    "end\n"
    "return out\n",
    NULL,
};

/* Key of the names, prefix of their rows, name to go on behind ('': from the start), how many at
 * most, fields of a row. Answer: '1' if others follow, then name and fields of each. */
static const char *const names[] = {
    "local call, max = redis.call, tonumber(ARGV[4])\n"
    "local fields, out = {}, {'0'}\n"
    "for i = 5, #ARGV do fields[#fields + 1] = ARGV[i] end\n"
    "local from = ARGV[3] == '' and '-' or '('..ARGV[3]\n"
    "local some = call('ZRANGEBYLEX', ARGV[1], from, '+', 'LIMIT', 0, max + 1)\n"
    "for i, name in ipairs(some) do\n"
    "  if i > max then\n"
    "    out[1] = '1'\n"
    "    break\n"
    "  end\n"
    "  local row = call('HMGET', ARGV[2]..name, unpack(fields))\n"
    "  out[#out + 1] = name\n"
    "  for k = 1, #fields do out[#out + 1] = row[k] or '' end\n"
    "end\n"
    "return out\n",
    NULL,
};

/* P. Answer: retained messages, their bytes, users. */
static const char *const totals[] = {
    "local P, call = ARGV[1], redis.call\n"
    "local function text(n) return string.format('%.0f', n) end\n"
    "return {text(call('ZCARD', P..'retained:topics')), call('GET', P..'retained:bytes') or '0',\n"
    "  text(call('ZCARD', P..'users'))}\n",
    NULL,
};

static const char *const *const bodies[DRIVER_REDIS_SCRIPTS] = {
    [DRIVER_REDIS_CLAIM] = claim,
    [DRIVER_REDIS_RENEW] = renew,
    [DRIVER_REDIS_APPLY] = driver_redis_scripts_apply,
    [DRIVER_REDIS_APPLY_FREE] = driver_redis_scripts_apply,
    [DRIVER_REDIS_SHARDS] = shards,
    [DRIVER_REDIS_LOAD] = load,
    [DRIVER_REDIS_QUEUE] = queue,
    [DRIVER_REDIS_RETAINED] = retained,
    [DRIVER_REDIS_EXPIRED] = expired,
    [DRIVER_REDIS_NAMES] = names,
    [DRIVER_REDIS_TOTALS] = totals,
};

/* Redis refuses a script without flags while its memory is full. */
static const char *
first_line(enum driver_redis_script script)
{
    if (script == DRIVER_REDIS_APPLY)
        return "#!lua\n";
    return script < DRIVER_REDIS_SHARDS ? "#!lua flags=allow-oom\n" : "#!lua flags=no-writes\n";
}

void
driver_redis_scripts_text(enum driver_redis_script script, struct buf *out)
{
    const char *const *part;
    buf_append_cstr(out, first_line(script));
    for (part = bodies[script]; *part != NULL; part++)
        buf_append_cstr(out, *part);
}

void
driver_redis_scripts_sha(enum driver_redis_script script, char out[DRIVER_REDIS_SHA_SIZE])
{
    uint8_t digest[CRYPT_SHA1_LEN];
    struct buf text;
    buf_init(&text, DRIVER_REDIS_SCRIPT_MAX);
    driver_redis_scripts_text(script, &text);
    crypt_sha1(buf_slice(&text), digest);
    crypt_hex(digest, sizeof(digest), out);
    buf_fini(&text);
}
