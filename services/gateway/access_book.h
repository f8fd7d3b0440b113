/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the clients of a worker may do: roles, the users behind connections, and for each connection
 * a grant. When a role or a user changes, all grants that it concerns are made anew and their
 * connections are told. Connections without rules cost nothing per message, the others a look into
 * a cache of decisions. Pure; which rule counts is proto/access_check.h.
 */
#ifndef SERVICES_GATEWAY_ACCESS_BOOK_H
#define SERVICES_GATEWAY_ACCESS_BOOK_H

#include "common/hash.h"
#include "proto/access_check.h"
#include "services/gateway/credentials.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCESS_ROLES_MAX 64u /* of one user */

struct access_book;
struct access_person;

/* What one connection may do. Made by access_book_join; the book's until access_book_leave. */
struct access_grant {
    struct access_person *person;
    struct access_grant *next, **link; /* of the same person */
    struct access_check *check;        /* NULL: everything */
    uint64_t id;                       /* of this check: for the cache */
    void *owner;                       /* the connection */
    bool needs_user;                   /* it is let in only as long as there is such a user */
    bool owns_check;                   /* else it is the person's */
};

struct access_book_config {
    uint8_t by_default;  /* ACCESS_*: what is allowed where no rule says anything */
    struct hash_key key; /* random */
    /* The client id of an owner; borrowed. */
    struct slice (*client_of)(void *arg, const void *owner);
    /* The grant of this owner is another one now. is_gone: the user it needs is no more. May leave
     * and join. */
    void (*changed)(void *arg, void *owner, bool is_gone);
    /* What this user may do has to be asked: answered by access_book_user with the same ticket. */
    void (*ask)(void *arg, struct slice user, uint64_t ticket);
    void *arg;
};

struct access_book *access_book_new(const struct access_book_config *config);
void access_book_free(struct access_book *book);

/* A connection of a user; terms are copied, and are those of all connections of the user if they
 * are newer. needs_user: see struct access_grant. */
struct access_grant *access_book_join(struct access_book *book, void *owner, struct slice user,
                                      const struct access_terms *terms, bool needs_user);
/* The same, but the terms are this connection's alone and no user changes them (tokens, anonymous
 * clients). listed: for these (ACCESS_*) the rules say all that is allowed, whatever the default.
 */
struct access_grant *access_book_join_alone(struct access_book *book, void *owner,
                                            struct slice user, const struct access_terms *terms,
                                            uint8_t listed);
/* NULL is nothing. */
void access_book_leave(struct access_book *book, struct access_grant *grant);
/* The owner's client id is another one now. */
void access_book_refit(struct access_book *book, struct access_grant *grant);

/* rules NULL: the role is gone. A text that cannot be parsed denies everything. */
void access_book_role(struct access_book *book, struct slice name, const struct slice *rules);
/* From reset to end all roles are told anew: those that are not among them go at the end. */
void access_book_reset(struct access_book *book);
void access_book_end(struct access_book *book);

/* The user changed: asks what it may do now, if somebody here is that user. */
void access_book_user_changed(struct access_book *book, struct slice user);
/* Any user may have changed: all are asked for, by and by (access_book_tick). */
void access_book_doubt(struct access_book *book);
/* Asks for at most max users. */
void access_book_tick(struct access_book *book, size_t max);
/* The answer. known: there is such a user. */
void access_book_user(struct access_book *book, struct slice user, uint64_t ticket, bool known,
                      const struct access_terms *terms);
/* There was no answer: it is asked again. */
void access_book_unanswered(struct access_book *book, struct slice user, uint64_t ticket);

bool access_book_may_publish_slow(struct access_book *book, const struct access_grant *grant,
                                  struct slice topic);
/* grant NULL: nobody has said what the client may not do. */
static inline bool
access_book_may_publish(struct access_book *book, const struct access_grant *grant,
                        struct slice topic)
{
    return grant == NULL || grant->check == NULL ||
           access_book_may_publish_slow(book, grant, topic);
}

static inline bool
access_book_may_subscribe(const struct access_grant *grant, struct slice filter)
{
    return grant == NULL || access_check_subscribe(grant->check, filter);
}

#endif
