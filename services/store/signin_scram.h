/* SPDX-License-Identifier: Apache-2.0 */
/* Signing in with SCRAM-SHA-256: scram.h with the users of this store. A name that is not known, or
 * whose password came in a form from which no verifier can be made, is answered like a wrong
 * password, as fast and with a salt that stays the same. */
#ifndef SERVICES_STORE_SIGNIN_SCRAM_H
#define SERVICES_STORE_SIGNIN_SCRAM_H

#include "proto/calls.pb-c.h"
#include "services/store/scram.h"
#include "services/store/signin.h"

/* Separates the hash for passwords in the clear from the verifier in what is stored. */
#define SIGNIN_SCRAM_SEPARATOR '\n'

/* server-first for a client-first; *first borrows from it. Errors as scram_first_parse. */
ERR_MUST_USE enum err signin_scram_challenge(struct store *store, struct slice client_first,
                                             struct scram_first *first, char out[SCRAM_FIRST_SIZE]);
/* OK: user (signin_user_fini) and server-final. ERR_DENIED, ERR_MALFORMED, or the driver's. */
ERR_MUST_USE enum err signin_scram_check(struct store *store, const Sluice__Auth *auth,
                                         struct scram_first *first, struct signin_user *user,
                                         char out[SCRAM_FINAL_SIZE]);

/* The 5.0 reason code for an error of these. */
uint8_t signin_scram_reason(enum err err);

#endif
