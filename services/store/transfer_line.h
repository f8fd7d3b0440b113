/* SPDX-License-Identifier: Apache-2.0 */
/* A row of the store's state as one line of JSON, and back: what --export writes and --import
 * reads. Field by field by table, so that what is written is read back equal. No I/O.
 *
 *     {"type":"subscription","session":4294967297,"filter":"a/+","identifier":7,"qos":1,...}
 *
 * Texts that are not UTF-8 are in base64 under their key with "64" behind it, and so are records
 * and other bytes always: "record64". Numbers beyond 2^63 - 1 are decimal strings. */
#ifndef SERVICES_STORE_TRANSFER_LINE_H
#define SERVICES_STORE_TRANSFER_LINE_H

#include "common/buf.h"
#include "services/store/batch.h"

enum transfer_type {
    TRANSFER_META,
    TRANSFER_USER,
    TRANSFER_ROW,
    TRANSFER_RETAINED,
    TRANSFER_SESSION,
    TRANSFER_SUBSCRIPTION,
    TRANSFER_QUEUE,
    TRANSFER_INBOUND,
    TRANSFER_WILL,
    TRANSFER_OUTBOX,
    TRANSFER_TOKENS,
    TRANSFER_TYPES
};

enum transfer_number {
    NUMBER_SESSION,
    NUMBER_EPOCH,
    NUMBER_OWNER,
    NUMBER_CONN,
    NUMBER_CREATED_MS,
    NUMBER_DISCONNECTED_MS,
    NUMBER_SEQ_LIMIT,
    NUMBER_EXPIRY_S,
    NUMBER_RECEIVE_MAXIMUM,
    NUMBER_VERSION,
    NUMBER_SEQ,
    NUMBER_FLAGS,
    NUMBER_PACKET_ID,
    NUMBER_OUTBOX_SEQ,
    NUMBER_TIME_MS, /* due, expiry, changed: what the type says */
    NUMBER_IDENTIFIER,
    NUMBER_QOS,
    NUMBER_NO_LOCAL,
    NUMBER_RETAIN_AS_PUBLISHED,
    NUMBER_RETAIN_HANDLING,
    NUMBER_ORIGIN,
    NUMBER_KIND,
    TRANSFER_NUMBERS
};

enum transfer_text {
    TEXT_NAME,
    TEXT_USER,
    TEXT_FILTER,
    TEXT_TOPIC,
    TEXT_PASSWORD,
    TEXT_ROLES,
    TEXT_RULES,
    TEXT_CONTENT, /* of a row */
    TEXT_VALUE,   /* bytes */
    TEXT_RECORD,  /* bytes */
    TRANSFER_TEXTS
};

struct transfer_line {
    enum transfer_type type;
    uint64_t numbers[TRANSFER_NUMBERS];
    struct slice texts[TRANSFER_TEXTS]; /* borrowed: by the writer; of a reader's line, from it */
    uint32_t ids[BATCH_IDS_MAX];        /* of a queue entry */
    size_t id_count;
};

#define TRANSFER_WHY_SIZE 160

/* Appends the line with its newline. */
void transfer_line_write(const struct transfer_line *line, struct buf *out);
/* Reads one; bytes holds what texts point to, until it is next used. ERR_INVALID: why says what is
 * wrong. */
ERR_MUST_USE enum err transfer_line_read(struct slice text, struct transfer_line *line,
                                         struct buf *bytes, char why[TRANSFER_WHY_SIZE]);
/* Adds the row to a batch. */
void transfer_line_put(const struct transfer_line *line, struct batch *batch);
/* Whether the type belongs to the sessions. */
bool transfer_line_is_session(enum transfer_type type);
/* It says which shard the data were that it came from. */
bool transfer_line_is_mark(const struct transfer_line *line);

#endif
