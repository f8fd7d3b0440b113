/* SPDX-License-Identifier: Apache-2.0 */
/* See user_status.h. */
#include "services/rest/user_status.h"

#include "common/mem.h"
#include "proto/feed_records.h"
#include "services/rest/ask.h"

#include <string.h>

/* Answers come in the order of the names. */
static void
take(const Sluice__UserStatuses *got, Sluice__User **asked, size_t count)
{
    for (size_t i = 0; i < got->n_users && i < count; i++) {
        char *status = got->users[i]->status;
        if (strcmp(status, "on") != 0)
            continue;
        got->users[i]->status = asked[i]->status; /* exchanged: each answer frees its texts */
        asked[i]->status = status;
    }
}

void
user_status_complete(struct upstream *upstream, Sluice__User **users, size_t count)
{
    size_t stores = upstream_count(upstream, UPSTREAM_STORE);
    char **names = mem_zalloc_array(count + 1, sizeof *names);
    Sluice__User **asked = mem_zalloc_array(count + 1, sizeof *asked);
    for (size_t store = 1; store < stores; store++) {
        Sluice__UserStatus message = SLUICE__USER_STATUS__INIT;
        ProtobufCMessage *reply = NULL;
        message.names = names;
        for (size_t i = 0; i < count; i++) {
            if (strcmp(users[i]->status, "off") != 0)
                continue;
            asked[message.n_names] = users[i];
            names[message.n_names++] = users[i]->name;
        }
        if (message.n_names != 0 &&
            ask_program(upstream, UPSTREAM_STORE, store, CALL_USER_STATUS, &message.base,
                        &sluice__user_statuses__descriptor, 0, &reply) == OK)
            take((const Sluice__UserStatuses *)(void *)reply, asked, message.n_names);
        ask_free(reply);
    }
    mem_free(asked);
    mem_free(names);
}
