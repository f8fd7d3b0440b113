/* SPDX-License-Identifier: Apache-2.0 */
/* What of a session's queue lies on disk only: bringing it to memory page by page, for what is
 * pushed next, and dropping the oldest of it when the queue is full. Pages are read on other
 * threads; what a session became meanwhile is looked at when they come. */
#ifndef SERVICES_STORE_SESSION_READ_H
#define SERVICES_STORE_SESSION_READ_H

#include "services/store/store.h"

/* Asks for the next page; session_push_pump runs when it is there. One at a time: asked again
 * meanwhile, and the page brings nothing, there is another. */
void session_read_more(struct store *store, struct session *session);
/* Brings everything up to seq to memory (or what fits), then session_push_resumed runs. Until then
 * nothing is pushed, and what the client acknowledges must wait (session_read_resumes). */
void session_read_resume(struct store *store, struct session *session, uint64_t seq);
static inline bool
session_read_resumes(const struct session *session)
{
    return session->lasting != NULL && session->lasting->resume_to != 0;
}

/* The queue holds more than it may, and the oldest of it is on disk: drops until it does not. Until
 * that is done it is larger. */
void session_read_trim(struct store *store, struct session *session);

#endif
