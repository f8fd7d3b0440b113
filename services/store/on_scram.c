/* SPDX-License-Identifier: Apache-2.0 */
/* CALL_AUTH: a step of an extended authentication that opens nothing: the challenge for a client's
 * first message, or the check of a proof on a connection that is open already. */
#include "proto/calls.pb-c.h"
#include "proto/mqtt_packet.h"
#include "services/store/desks.h"
#include "services/store/signin_scram.h"

static ProtobufCBinaryData
bytes_of(void *data, size_t len)
{
    return (ProtobufCBinaryData){len, data};
}

void
on_scram(struct store *store, struct peer *peer, struct call_request request, struct slice body)
{
    Sluice__Auth *auth = sluice__auth__unpack(NULL, body.len, body.data);
    Sluice__AuthAnswer answer = SLUICE__AUTH_ANSWER__INIT;
    struct signin_user user = {0};
    struct scram_first first;
    char text[SCRAM_FIRST_SIZE] = "";
    enum err err;
    (void)peer;
    if (auth == NULL) {
        metric_counter_add(store->counters.malformed, 1);
        peers_reply(store->peers, request, ERR_MALFORMED, slice_of(NULL, 0));
        return;
    }
    if (auth->client_final.len == 0)
        err = signin_scram_challenge(
            store, slice_of(auth->client_first.data, auth->client_first.len), &first, text);
    else
        err = signin_scram_check(store, auth, &first, &user, text);
    answer.reason = signin_scram_reason(err);
    if (err == OK) {
        if (auth->client_final.len == 0)
            answer.reason = MQTT_CONTINUE_AUTHENTICATION;
        answer.data = bytes_of(text, strlen(text));
        answer.user = bytes_of(first.user, first.user_len);
    }
    store_reply(store, request, OK, &answer);
    signin_user_fini(&user);
    sluice__auth__free_unpacked(auth, NULL);
}
