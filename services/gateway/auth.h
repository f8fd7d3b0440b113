/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection keeps of an extended authentication (5.0, 4.12): the messages so far, and for
 * the first one the CONNECT that waits for its end. It checks nothing: messages and proofs are the
 * store's to judge, which keeps no state between the two questions.
 */
#ifndef SERVICES_GATEWAY_AUTH_H
#define SERVICES_GATEWAY_AUTH_H

#include "common/str.h"
#include "services/gateway/post_body.h"

#define AUTH_METHOD "SCRAM-SHA-256" /* the only one */

enum auth_step {
    AUTH_IDLE,       /* agreed; nothing is under way */
    AUTH_STARTING,   /* the client's first message is with the store */
    AUTH_CHALLENGED, /* the client has the challenge */
    AUTH_CHECKING    /* its answer is with the store */
};

struct auth {
    struct session_open_request *open; /* NULL once the store was asked to open */
    struct slice first, challenge;     /* owned */
    struct slice last;                 /* the store's word with the proof, for CONNACK; owned */
    uint64_t ticket;                   /* of the question that waits; 0: none */
    uint8_t step;                      /* enum auth_step */
};

/* New, IDLE; copies open. */
struct auth *auth_new(const struct session_open_request *open);
/* NULL is nothing. */
void auth_free(struct auth *auth);

/* Begins anew with the client's first message (copied). */
void auth_begin(struct auth *auth, struct slice first);
/* The store's challenge (copied) is on its way to the client. */
void auth_challenge(struct auth *auth, struct slice challenge);
/* The proof is right; the store's last message is copied. */
void auth_right(struct auth *auth, struct slice last);
/* It is over, or the session is open: nothing of it is needed any more. */
void auth_end(struct auth *auth);

#endif
