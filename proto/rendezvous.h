/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rendezvous (highest random weight) hashing: which member of a set owns a key. When a member
 * leaves, only its keys move; when one joins, it takes its share and no other key moves. The same
 * in every program and version. Pure.
 */
#ifndef SLUICE_PROTO_RENDEZVOUS_H
#define SLUICE_PROTO_RENDEZVOUS_H

#include "common/str.h"
#include <stddef.h>
#include <stdint.h>

#define RENDEZVOUS_MAX  64u
#define RENDEZVOUS_NONE UINT32_MAX

/* Members have a number below RENDEZVOUS_MAX and a name. */
struct rendezvous {
    uint64_t members;                   /* bit i: member i takes part */
    uint64_t name_hash[RENDEZVOUS_MAX]; /* of member i, when its bit is set */
};

void rendezvous_init(struct rendezvous *set);
void rendezvous_add(struct rendezvous *set, uint32_t member, struct slice name);
void rendezvous_remove(struct rendezvous *set, uint32_t member);

/* The stable hash of a key (a topic, a client id). */
uint64_t rendezvous_key(struct slice key);
/* The owner of a key, RENDEZVOUS_NONE when the set is empty. A tie goes to the lower number. */
uint32_t rendezvous_choose(const struct rendezvous *set, uint64_t key_hash);
/* The same of the key itself, which is hashed only if there is a choice. */
uint32_t rendezvous_owner(const struct rendezvous *set, struct slice key);

#endif
