/* SPDX-License-Identifier: Apache-2.0 */
/* Highest random weight over a small set: at most 64 multiplications a key. */
#include "proto/rendezvous.h"

#include "common/hash.h"
#include <assert.h>

void
rendezvous_init(struct rendezvous *set)
{
    *set = (struct rendezvous){0};
}

void
rendezvous_add(struct rendezvous *set, uint32_t member, struct slice name)
{
    assert(member < RENDEZVOUS_MAX);
    set->members |= UINT64_C(1) << member;
    set->name_hash[member] = hash_stable(name);
}

void
rendezvous_remove(struct rendezvous *set, uint32_t member)
{
    assert(member < RENDEZVOUS_MAX);
    set->members &= ~(UINT64_C(1) << member);
}

uint64_t
rendezvous_key(struct slice key)
{
    return hash_stable(key);
}

uint32_t
rendezvous_choose(const struct rendezvous *set, uint64_t key_hash)
{
    uint64_t left = set->members;
    uint64_t best_score = 0;
    uint32_t best = RENDEZVOUS_NONE;
    if ((left & (left - 1)) == 0)
        return left == 0 ? RENDEZVOUS_NONE : (uint32_t)__builtin_ctzll(left);
    for (; left != 0; left &= left - 1) {
        uint32_t member = (uint32_t)__builtin_ctzll(left);
        uint64_t score = hash_rendezvous(key_hash, set->name_hash[member]);
        if (best == RENDEZVOUS_NONE || score > best_score) {
            best = member;
            best_score = score;
        }
    }
    return best;
}

uint32_t
rendezvous_owner(const struct rendezvous *set, struct slice key)
{
    bool is_choice = (set->members & (set->members - 1)) != 0;
    return rendezvous_choose(set, is_choice ? rendezvous_key(key) : 0);
}
