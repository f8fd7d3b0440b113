/* SPDX-License-Identifier: Apache-2.0 */
/* The desks of the user endpoints of the replaced server: an HTTP request comes in as plain values,
 * one question goes to the store, an answer goes out. No HTTP library here; who may come in was
 * decided before (http_api.c). */
#ifndef SLUICE_SERVICES_REST_ON_USER_H
#define SLUICE_SERVICES_REST_ON_USER_H

#include "common/conf.h"
#include "common/str.h"
#include "services/rest/cookie.h"
#include "services/rest/upstream.h"

struct on_user {
    const struct conf *conf; /* of this program */
    struct upstream *upstream;
    uint8_t cookie_key[COOKIE_KEY_LEN];
};

struct on_user_request {
    const char *name;    /* of the user in the path; NULL where there is none */
    const char *users;   /* query, NULL: absent */
    const char *indexes; /* query, NULL: absent */
    const char *apps;    /* query "app", NULL: absent */
    const char *session; /* cookie "sessionid", NULL: absent */
    const char *actor;   /* who asks, for the audit */
    struct slice body;
};

struct on_user_answer {
    int status;
    char *body;                    /* JSON, new (mem_free) */
    char session[COOKIE_TEXT_MAX]; /* "sessionid" to set; "": none */
};

#define ON_USER_SESSION_S 21600 /* life of a sign-in, as it was */

typedef void (*on_user_fn)(const struct on_user *desk, const struct on_user_request *request,
                           struct on_user_answer *answer);

void on_user_create(const struct on_user *desk, const struct on_user_request *request,
                    struct on_user_answer *answer);
void on_user_get(const struct on_user *desk, const struct on_user_request *request,
                 struct on_user_answer *answer);
void on_user_update(const struct on_user *desk, const struct on_user_request *request,
                    struct on_user_answer *answer);
void on_user_delete(const struct on_user *desk, const struct on_user_request *request,
                    struct on_user_answer *answer);
void on_user_status(const struct on_user *desk, const struct on_user_request *request,
                    struct on_user_answer *answer);
void on_user_statuses(const struct on_user *desk, const struct on_user_request *request,
                      struct on_user_answer *answer);
void on_user_list(const struct on_user *desk, const struct on_user_request *request,
                  struct on_user_answer *answer);
void on_user_login(const struct on_user *desk, const struct on_user_request *request,
                   struct on_user_answer *answer);
void on_user_session(const struct on_user *desk, const struct on_user_request *request,
                     struct on_user_answer *answer);
void on_user_config(const struct on_user *desk, const struct on_user_request *request,
                    struct on_user_answer *answer);

/* HTTP status of a result that came from below. */
int on_user_http_status(enum err err);

#endif
