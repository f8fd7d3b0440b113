/* SPDX-License-Identifier: Apache-2.0 */
/* See auth.h. */
#include "services/gateway/auth.h"

#include "common/mem.h"

static void
set(struct slice *to, struct slice from)
{
    mem_free((void *)(uintptr_t)to->data);
    *to = from.len > 0 ? slice_of(mem_dup(from.data, from.len), from.len) : slice_of(NULL, 0);
}

struct auth *
auth_new(const struct session_open_request *open)
{
    struct auth *auth = mem_zalloc(sizeof(*auth));
    auth->open = session_open_request_new(open);
    return auth;
}

void
auth_free(struct auth *auth)
{
    if (auth == NULL)
        return;
    auth_end(auth);
    set(&auth->last, slice_of(NULL, 0));
    mem_free(auth);
}

void
auth_begin(struct auth *auth, struct slice first)
{
    set(&auth->first, first);
    set(&auth->challenge, slice_of(NULL, 0));
    auth->step = AUTH_STARTING;
}

void
auth_challenge(struct auth *auth, struct slice challenge)
{
    set(&auth->challenge, challenge);
    auth->step = AUTH_CHALLENGED;
}

void
auth_right(struct auth *auth, struct slice last)
{
    set(&auth->last, last);
}

void
auth_end(struct auth *auth)
{
    session_open_request_free(auth->open);
    auth->open = NULL;
    set(&auth->first, slice_of(NULL, 0));
    set(&auth->challenge, slice_of(NULL, 0));
    auth->ticket = 0;
    auth->step = AUTH_IDLE;
}
