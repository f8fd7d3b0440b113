/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded driver: one LMDB environment in a directory, fsync before apply returns. One copy
 * on one disk, one process. Layout: services/store/embedded.md. */
#ifndef SERVICES_STORE_DRIVER_LMDB_H
#define SERVICES_STORE_DRIVER_LMDB_H

#include "services/store/driver.h"

struct driver_lmdb_settings {
    const char *data_dir; /* made if missing (its parent must exist), mode 0700 */
    uint64_t max_bytes;   /* most that the data may take; costs address space, not disk, until used.
                             0: DRIVER_LMDB_MAX_BYTES. More is possible after a restart. */
};

#define DRIVER_LMDB_MAX_BYTES (UINT64_C(64) << 30)

/* New, close with driver_close. On error why says what to do about it, for people:
 *   ERR_BUSY     another store runs on this directory
 *   ERR_VERSION  the data was written by another version
 *   ERR_NO_SPACE, ERR_DENIED (permissions), ERR_MALFORMED (not a store's data), ERR_IO */
ERR_MUST_USE enum err driver_lmdb_open(const struct driver_lmdb_settings *settings,
                                       char why[DRIVER_REASON_SIZE], struct driver **out);

#endif
