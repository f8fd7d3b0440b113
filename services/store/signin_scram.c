/* SPDX-License-Identifier: Apache-2.0 */
/* See signin_scram.h. */
#include "services/store/signin_scram.h"

#include "proto/mqtt_packet.h"

static struct slice
slice_of_bytes(ProtobufCBinaryData data)
{
    return slice_of(data.data, data.len);
}

/* Of a user as stored, else of nobody. Errors other than that there is no such user are passed. */
static enum err
find(struct store *store, struct slice name, struct signin_user *user,
     struct scram_verifier *verifier)
{
    struct slice secret = slice_cstr(store->config->common.cluster_secret);
    enum err err = signin_user_get(store, name, user);
    scram_verifier_fake(secret, name, verifier);
    if (err == ERR_NOT_FOUND)
        return OK;
    if (err != OK)
        return err;
    struct slice stored = slice_of(user->password, user->password_len);
    size_t at = slice_find(stored, SIGNIN_SCRAM_SEPARATOR);
    struct scram_verifier known;
    if (scram_verifier_parse(slice_sub(stored, at + 1, stored.len), &known) == OK)
        *verifier = known;
    return OK;
}

enum err
signin_scram_challenge(struct store *store, struct slice client_first, struct scram_first *first,
                       char out[SCRAM_FIRST_SIZE])
{
    struct signin_user user = {0};
    struct scram_verifier verifier;
    enum err err = scram_first_parse(client_first, first);
    if (err != OK)
        return err;
    err = find(store, scram_first_user(first), &user, &verifier);
    if (err == OK)
        scram_challenge(first, &verifier, out);
    signin_user_fini(&user);
    return err;
}

enum err
signin_scram_check(struct store *store, const Sluice__Auth *auth, struct scram_first *first,
                   struct signin_user *user, char out[SCRAM_FINAL_SIZE])
{
    struct scram_verifier verifier;
    enum err err = scram_first_parse(slice_of_bytes(auth->client_first), first);
    if (err != OK)
        return err;
    err = find(store, scram_first_user(first), user, &verifier);
    if (err == OK)
        err = scram_check(first, slice_of_bytes(auth->server_first),
                          slice_of_bytes(auth->client_final), &verifier, out);
    if (err != OK)
        signin_user_fini(user);
    return err;
}

uint8_t
signin_scram_reason(enum err err)
{
    switch (err) {
    case OK:
        return MQTT_SUCCESS;
    case ERR_MALFORMED:
        return MQTT_PROTOCOL_ERROR;
    case ERR_DENIED:
    case ERR_UNSUPPORTED:
        return MQTT_NOT_AUTHORIZED;
    default:
        return MQTT_SERVER_UNAVAILABLE;
    }
}
