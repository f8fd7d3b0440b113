/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that wait for a user's row; see call_user.h. */
#include "services/store/call_user.h"

#include "common/clock.h"
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "proto/calls.pb-c.h"
#include "proto/feed_records.h"
#include "services/store/scram.h"
#include "services/store/user_rows.h"

#include <string.h>

#define DEADLINE_MS 8000u

struct call_wait {
    struct store *store;
    uint32_t peer;
    uint64_t incarnation;
    struct call_request request;
    call_user_fn fn;
    size_t len;
    uint8_t body[];
};

/* ---- whom a call is about; "" is nobody. What is malformed is left to the desk. */

static void
put_scram(const Sluice__Auth *auth, struct buf *name)
{
    struct scram_first first;
    if (auth != NULL &&
        scram_first_parse(slice_of(auth->client_first.data, auth->client_first.len), &first) == OK)
        buf_append_slice(name, scram_first_user(&first));
}

static void
name_of_auth(struct slice body, struct buf *name)
{
    Sluice__Auth *auth = sluice__auth__unpack(NULL, body.len, body.data);
    if (auth != NULL) {
        put_scram(auth, name);
        sluice__auth__free_unpacked(auth, NULL);
    }
}

static void
name_of_sign_in(struct slice body, struct buf *name)
{
    Sluice__SignIn *ask = sluice__sign_in__unpack(NULL, body.len, body.data);
    if (ask == NULL)
        return;
    if (ask->auth != NULL)
        put_scram(ask->auth, name);
    else if (ask->verified)
        buf_append(name, ask->user.data, ask->user.len);
    sluice__sign_in__free_unpacked(ask, NULL);
}

static void
name_of_get(struct slice body, struct buf *name)
{
    Sluice__UserGet *get = sluice__user_get__unpack(NULL, body.len, body.data);
    if (get != NULL) {
        buf_append_cstr(name, get->name);
        sluice__user_get__free_unpacked(get, NULL);
    }
}

static void
name_of_put(struct slice body, struct buf *name)
{
    Sluice__UserPut *put = sluice__user_put__unpack(NULL, body.len, body.data);
    if (put != NULL) {
        buf_append_cstr(name, put->name);
        sluice__user_put__free_unpacked(put, NULL);
    }
}

static void
name_of_delete(struct slice body, struct buf *name)
{
    Sluice__UserDelete *message = sluice__user_delete__unpack(NULL, body.len, body.data);
    if (message != NULL) {
        buf_append_cstr(name, message->name);
        sluice__user_delete__free_unpacked(message, NULL);
    }
}

static void
name_of_verify(struct slice body, struct buf *name)
{
    Sluice__UserVerify *message = sluice__user_verify__unpack(NULL, body.len, body.data);
    if (message != NULL) {
        buf_append_cstr(name, message->name);
        sluice__user_verify__free_unpacked(message, NULL);
    }
}

static void
name_of(uint16_t method, struct slice body, struct buf *name)
{
    static const struct {
        uint16_t method;
        void (*fn)(struct slice body, struct buf *name);
    } table[] = {
        {CALL_AUTH, name_of_auth},          {CALL_SIGN_IN, name_of_sign_in},
        {CALL_USER_GET, name_of_get},       {CALL_USER_PUT, name_of_put},
        {CALL_USER_DELETE, name_of_delete}, {CALL_USER_VERIFY, name_of_verify},
    };
    size_t i;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].method == method)
            table[i].fn(body, name);
    }
}

/* ---- the wait */

static void
row_came(void *arg, enum err err)
{
    struct call_wait *wait = arg;
    struct store *store = wait->store;
    struct peer *peer = peers_by_id(store->peers, wait->peer);
    if (peer == NULL || peer_incarnation(peer) != wait->incarnation)
        err = ERR_PEER_LOST;
    if (err == OK)
        wait->fn(store, peer, wait->request, slice_of(wait->body, wait->len));
    else
        peers_reply(store->peers, wait->request, err, slice_of(NULL, 0));
    mem_free_secret(wait, sizeof(*wait) + wait->len); /* there may be a password in it */
}

bool
call_user_waits(struct store *store, struct peer *peer, struct call_request request,
                uint16_t method, struct slice body, call_user_fn fn)
{
    struct call_wait *wait;
    struct buf name;
    buf_init(&name, USERS_NAME_MAX);
    name_of(method, body, &name);
    if (buf_error(&name) != OK || buf_len(&name) == 0) {
        buf_fini(&name);
        return false;
    }
    wait = mem_alloc(sizeof(*wait) + body.len);
    *wait = (struct call_wait){.store = store,
                               .peer = peer_id(peer),
                               .incarnation = peer_incarnation(peer),
                               .request = request,
                               .fn = fn,
                               .len = body.len};
    if (body.len != 0)
        memcpy(wait->body, body.data, body.len);
    user_rows_want(store, buf_slice(&name), clock_monotonic_ms() + DEADLINE_MS, row_came, wait);
    buf_fini(&name);
    return true;
}
