/* SPDX-License-Identifier: Apache-2.0 */
/* Tools of the contract tests themselves: short ways to fill a batch, and content as text. */
#ifndef SLUICE_TESTS_DRIVER_CONTRACT_KIT_H
#define SLUICE_TESTS_DRIVER_CONTRACT_KIT_H

#include "tests/unit/store/driver_contract.h"

#include "common/cursor.h"
#include "common/mem.h"
#include "proto/feed_records.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static inline struct slice
text(const char *s)
{
    return slice_cstr(s);
}

static inline void
message(struct batch *batch, const char *record)
{
    struct slice s = text(record);
    batch_message(batch, &s, 1);
}

static inline void
retained(struct batch *batch, const char *topic, const char *record)
{
    struct slice s = text(record);
    batch_retained_put(batch, text(topic), 0, &s, 1);
}

static inline void
session(struct batch *batch, uint64_t number, const char *client_id)
{
    batch_session_put(batch,
                      &(struct driver_session){.session = number, .client_id = text(client_id)});
}

static inline void
subscription(struct batch *batch, uint64_t number, const char *filter)
{
    batch_subscription_put(
        batch, &(struct driver_subscription){.session = number, .filter = text(filter)});
}

/* One line of text each; arg: struct buf. */
void driver_contract_dump_entry(void *arg, const struct driver_entry *entry);
void driver_contract_dump_user(void *arg, const struct driver_user *user);
void driver_contract_dump_row(void *arg, const struct driver_row *row);
/* All rows of the kind as text, read in pages of `page` rows. */
void driver_contract_dump_rows(struct driver *driver, uint8_t kind, size_t page, struct buf *out);
/* The queue of one session as text, read in pages of `page` entries. */
void driver_contract_dump_entries(struct driver *driver, uint64_t number, size_t page,
                                  struct buf *out);
void driver_contract_expect(struct driver *driver, const char *want, int line);

/* The whole content is this text (driver_contract_dump). */
#define EXPECT(driver, want) driver_contract_expect((driver), (want), __LINE__)

struct fixture {
    struct driver *driver;
    struct batch batch;
};

struct fixture driver_contract_begin(void);
void driver_contract_end(struct fixture *f);
void driver_contract_reopen(struct fixture *f);

#endif
