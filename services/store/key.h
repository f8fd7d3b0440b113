/* SPDX-License-Identifier: Apache-2.0 */
/* A key of the HTTP API as a row: its text, its secret and the hash of it. The secret is 32 random
 * bytes, so one round of SHA-256 is enough to keep it. Pure but for the random bytes. */
#ifndef SERVICES_STORE_KEY_H
#define SERVICES_STORE_KEY_H

#include "common/buf.h"
#include "proto/access.pb-c.h"
#include "services/store/access_rows.h"

#define KEY_NOTE_MAX 255u

void key_secret_new(char out[ACCESS_SECRET_LEN + 1]);
void key_hash(const char *secret, uint8_t out[CRYPT_SHA256_LEN]);

/* The text of a row. hash: of the secret. */
void key_encode(const Sluice__KeyPut *put, const uint8_t hash[CRYPT_SHA256_LEN], struct buf *out);
/* Notes hash and end of the text in the row. */
void key_note(struct slice text, struct people_row *row);

/* The message for a row: strings are new, key_message_fini frees them. */
void key_message(const struct people_row *row, Sluice__Key *out);
void key_message_fini(Sluice__Key *key);

#endif
