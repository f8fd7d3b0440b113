/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of posts (post.h) about who may do what; the same house rules as post_body.h. */
#ifndef SERVICES_GATEWAY_POST_ACCESS_H
#define SERVICES_GATEWAY_POST_ACCESS_H

#include "services/gateway/credentials.h"
#include "services/gateway/post_body.h"

/* POST_SIGN_IN: is this the user? Nothing but the name: it is known who it is. */
struct sign_in_request {
    struct slice user;
    struct slice password;
    struct auth_request auth; /* instead of a password: complete */
    bool verified;
};

/* POST_SIGNED_IN, POST_USER_TERMS. A call that failed or timed out is a reason too. */
struct signed_in {
    struct slice user;
    struct access_terms terms;
    struct slice auth_data; /* the last word of an extended authentication */
    uint8_t reason;         /* MQTT 5.0 reason code; 0: right */
    bool known;             /* there is such a user */
};

/* POST_ROLE */
struct role_news {
    struct slice name;
    struct slice rules;
    bool is_there; /* else it is gone */
};

/* POST_BAN */
struct ban_news {
    struct slice subject;
    uint64_t until_ms;
    uint8_t kind;  /* enum bans_kind */
    bool is_there; /* else it is gone */
};

struct sign_in_request *sign_in_request_new(const struct sign_in_request *request);
/* Wipes the password. */
void sign_in_request_free(struct sign_in_request *request);

struct signed_in *signed_in_new(const struct signed_in *answer);
void signed_in_free(struct signed_in *answer);

struct role_news *role_news_new(const struct role_news *news);
void role_news_free(struct role_news *news);

struct ban_news *ban_news_new(const struct ban_news *news);
void ban_news_free(struct ban_news *news);

#endif
