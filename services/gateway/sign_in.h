/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's part in signing in: passwords that it remembers (credentials.h), else a question to the
 * store that keeps the people. A user that changes while the question is on its way is asked for
 * again, so that nobody comes in by an answer from before.
 */
#ifndef SERVICES_GATEWAY_SIGN_IN_H
#define SERVICES_GATEWAY_SIGN_IN_H

#include "services/gateway/hub_state.h"

struct pending_call;
struct sign_in;

struct sign_in *sign_in_new(struct hub *hub);
void sign_in_free(struct sign_in *sign_in);

/* POST_SIGN_IN: answered with POST_SIGNED_IN. POST_USER_ASK: with POST_USER_TERMS. */
void sign_in_take(struct sign_in *sign_in, struct post *post);
/* The end of a call that this asked for (ticket), whatever it was. */
void sign_in_answered(struct sign_in *sign_in, uint64_t ticket, enum err err, struct slice reply);

/* FEED_USER_CHANGED */
void sign_in_user_changed(struct sign_in *sign_in, struct slice user);
/* A new session with the store: changes may have been missed. */
void sign_in_doubt(struct sign_in *sign_in);

#endif
