/* SPDX-License-Identifier: Apache-2.0 */
/* Who changed what, when: numbered entries, written in the batch of the change they tell of. Their
 * numbers have no gaps, so that a page from either side is a page of the driver. The oldest go when
 * there are more than the setting audit-max. */
#ifndef SERVICES_STORE_AUDIT_H
#define SERVICES_STORE_AUDIT_H

#include "common/err.h"
#include "common/str.h"
#include "services/store/batch.h"
#include "services/store/driver.h"

#include <stdint.h>

#define AUDIT_TEXT_MAX 1024u /* bytes of each text */
#define AUDIT_NAME_LEN 16u

struct audit {
    uint64_t first; /* numbers of the oldest and the newest entry; none: last is first - 1 */
    uint64_t last;
    uint64_t max; /* entries kept */
};

struct audit_entry {
    struct slice actor;
    struct slice what;
    struct slice subject;
    struct slice detail;
};

/* Looks what numbers the driver has. Blocks for it: at the start. */
ERR_MUST_USE enum err audit_load(struct audit *audit, struct driver *driver, uint64_t max);
/* Texts longer than AUDIT_TEXT_MAX are cut. */
void audit_append(struct audit *audit, struct batch *batch, uint64_t now_ms,
                  const struct audit_entry *entry);

/* The entries of a page are the rows behind *after, count of them: counted from `from` (0: from the
 * end) downwards, or upwards. *next: where the next page begins; 0: nowhere. */
void audit_page(const struct audit *audit, bool oldest_first, uint64_t from, size_t limit,
                char after[AUDIT_NAME_LEN + 1], size_t *count, uint64_t *next);
/* Of a row: its number (0: no such name) and, borrowed, its texts. */
uint64_t audit_read(const struct driver_row *row, struct audit_entry *out);

#endif
