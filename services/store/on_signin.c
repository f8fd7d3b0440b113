/* SPDX-License-Identifier: Apache-2.0 */
/* CALL_SIGN_IN: a gateway (or rest) asks whether this is the user, and what the user may do. No
 * session is opened here: that is asked of the store that has it, by the gateway that knows now. */
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "proto/mqtt_packet.h"
#include "services/store/desks.h"
#include "services/store/signin.h"
#include "services/store/signin_scram.h"

#include <string.h>

struct question {
    struct store *store;
    struct call_request request;
};

static void
reply(struct store *store, struct call_request request, uint8_t reason, bool known,
      const struct users_access *access, const char *auth_data)
{
    Sluice__SignedIn answer = SLUICE__SIGNED_IN__INIT;
    Sluice__Access may = SLUICE__ACCESS__INIT;
    char *rules = NULL;
    answer.reason = reason;
    answer.known = known;
    if (reason == MQTT_SUCCESS && known) {
        may.roles = signin_roles_decode(access->roles, &may.n_roles);
        may.rules = rules = slice_dup(access->rules);
        may.revision = access->revision;
        answer.access = &may;
        answer.auth_data.data = (uint8_t *)(uintptr_t)auth_data; /* only read by the packer */
        answer.auth_data.len = strlen(auth_data);
    }
    store_reply(store, request, OK, &answer);
    signin_roles_free(may.roles, may.n_roles);
    mem_free(rules);
}

static void
refuse(struct store *store, struct call_request request, uint8_t reason)
{
    metric_counter_add(store->counters.refused, 1);
    reply(store, request, reason, false, NULL, "");
}

static uint8_t
reason_of(enum err err)
{
    switch (err) {
    case OK:
        return MQTT_SUCCESS;
    case ERR_DENIED:
        return MQTT_BAD_USER_NAME_OR_PASSWORD;
    case ERR_BUSY:
        return MQTT_SERVER_BUSY;
    default:
        return MQTT_SERVER_UNAVAILABLE;
    }
}

static void
checked(void *arg, enum err err, const struct users_access *access)
{
    struct question *question = arg;
    if (err == OK)
        reply(question->store, question->request, MQTT_SUCCESS, true, access, "");
    else
        refuse(question->store, question->request, reason_of(err));
    mem_free(question);
}

static void
by_password(struct store *store, struct call_request request, const Sluice__SignIn *ask)
{
    struct question *question = mem_alloc(sizeof(*question));
    *question = (struct question){store, request};
    signin_check(store, slice_of(ask->user.data, ask->user.len),
                 slice_of(ask->password.data, ask->password.len), checked, question);
}

static void
by_proof(struct store *store, struct call_request request, const Sluice__SignIn *ask)
{
    struct signin_user user = {0};
    struct scram_first first;
    struct users_access access;
    char data[SCRAM_FINAL_SIZE] = "";
    enum err err = signin_scram_check(store, ask->auth, &first, &user, data);
    if (err == OK &&
        !slice_equal(scram_first_user(&first), slice_of(ask->user.data, ask->user.len)))
        err = ERR_DENIED; /* the proof is somebody else's */
    access = signin_user_access(&user);
    if (err == OK)
        reply(store, request, MQTT_SUCCESS, true, &access, data);
    else
        refuse(store, request, signin_scram_reason(err));
    signin_user_fini(&user);
}

/* Who it is, the gateway knows. */
static void
by_name(struct store *store, struct call_request request, const Sluice__SignIn *ask)
{
    struct signin_user user = {0};
    struct users_access access;
    enum err err = signin_user_get(store, slice_of(ask->user.data, ask->user.len), &user);
    access = signin_user_access(&user);
    if (err == OK || err == ERR_NOT_FOUND)
        reply(store, request, MQTT_SUCCESS, err == OK, &access, "");
    else
        refuse(store, request, reason_of(err));
    signin_user_fini(&user);
}

void
on_signin(struct store *store, struct peer *peer, struct call_request request, struct slice body)
{
    /* People sign in to the HTTP API too. */
    bool may_ask = store_link_owner(peer) != NULL || strcmp(peer_service(peer), "rest") == 0;
    enum err err = !store->serving ? ERR_UNAVAILABLE : !may_ask ? ERR_DENIED : OK;
    Sluice__SignIn *ask;
    if (err != OK) {
        peers_reply(store->peers, request, err, slice_of(NULL, 0));
        return;
    }
    ask = sluice__sign_in__unpack(NULL, body.len, body.data);
    if (ask == NULL) {
        metric_counter_add(store->counters.malformed, 1);
        peers_reply(store->peers, request, ERR_MALFORMED, slice_of(NULL, 0));
        return;
    }
    if (ask->auth != NULL)
        by_proof(store, request, ask);
    else if (ask->verified)
        by_name(store, request, ask);
    else
        by_password(store, request, ask);
    sluice__sign_in__free_unpacked(ask, NULL);
}
