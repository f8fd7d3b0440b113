/* SPDX-License-Identifier: Apache-2.0 */
/* The tests that every driver of the store passes. A driver's own test file gives a fixture, calls
 * driver_contract_use, and puts DRIVER_CONTRACT_CASES into its table of cases. */
#ifndef SLUICE_TESTS_DRIVER_CONTRACT_H
#define SLUICE_TESTS_DRIVER_CONTRACT_H

#include "common/buf.h"
#include "services/store/driver.h"

struct driver_contract {
    /* Opens the driver on empty data (fresh) or on what the last one left; asserts success. */
    struct driver *(*open)(bool fresh);
};

void driver_contract_use(const struct driver_contract *contract);

struct driver *driver_contract_open_fresh(void);
/* A further one on the same data. */
struct driver *driver_contract_open_again(void);
/* Claims a shard, whoever has it; asserts OK. */
void driver_contract_claim(struct driver *driver, uint32_t shard);
/* Applies the batch, asserts OK, empties it. */
void driver_contract_apply(struct driver *driver, struct batch *batch);
/* Everything that can be read, as text: equal texts, equal content. */
void driver_contract_dump(struct driver *driver, struct buf *out);

#define DRIVER_CONTRACT_EACH(X)                                                                    \
    X(an_empty_driver_has_nothing)                                                                 \
    X(every_field_comes_back_after_reopening)                                                      \
    X(a_put_replaces_and_a_delete_of_nothing_is_fine)                                              \
    X(a_deleted_session_takes_all_below_it_along)                                                  \
    X(queue_pages_keep_their_limits)                                                               \
    X(a_body_lives_as_long_as_its_last_entry)                                                      \
    X(a_recorded_entry_stays_without_its_message)                                                  \
    X(an_append_replaces_the_entry_of_that_sequence)                                               \
    X(later_changes_of_a_batch_see_earlier_ones)                                                   \
    X(the_same_batch_id_is_applied_once)                                                           \
    X(a_batch_that_fails_at_any_step_changes_nothing)                                              \
    X(texts_and_records_of_any_length_come_back)                                                   \
    X(names_are_only_names)                                                                        \
    X(a_batch_does_what_its_changes_do_one_by_one)                                                 \
    X(users_are_listed_in_pages)                                                                   \
    X(rows_of_a_kind_are_apart)                                                                    \
    X(rows_are_listed_in_pages)                                                                    \
    X(long_rows_come_back)                                                                         \
    X(retained_lookup_agrees_with_the_matching_rules)                                              \
    X(retained_pages_go_on_where_they_ended)                                                       \
    X(wildcards_first_do_not_show_dollar_topics)                                                   \
    X(retained_lookup_costs_hits_not_topics)                                                       \
    X(expired_retained_messages_are_found_earliest_first)                                          \
    X(retained_totals_are_kept)                                                                    \
    X(readers_see_whole_batches_while_one_is_applied)

#define DRIVER_CONTRACT_DECLARE(name) void driver_contract_##name(void);
DRIVER_CONTRACT_EACH(DRIVER_CONTRACT_DECLARE)

/* Of drivers whose data several stores share. */
#define DRIVER_CONTRACT_LEASE_EACH(X)                                                              \
    X(a_lease_is_claimed_seen_and_renewed)                                                         \
    X(a_lease_that_is_over_is_seen_to_be)                                                          \
    X(a_lease_is_given_up)                                                                         \
    X(a_claim_is_for_what_was_seen)                                                                \
    X(a_forced_claim_without_a_lease_leaves_the_shard_to_its_own)                                  \
    X(of_claims_at_once_one_wins)
DRIVER_CONTRACT_LEASE_EACH(DRIVER_CONTRACT_DECLARE)

#define DRIVER_CONTRACT_CASE(name) {#name, driver_contract_##name},
#define DRIVER_CONTRACT_CASES      DRIVER_CONTRACT_EACH(DRIVER_CONTRACT_CASE)
#define DRIVER_CONTRACT_SHARED_CASES                                                               \
    DRIVER_CONTRACT_CASES DRIVER_CONTRACT_LEASE_EACH(DRIVER_CONTRACT_CASE)

#endif
