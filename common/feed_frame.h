/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of one feed frame: fixed header, then records. Pure: encodes and decodes, checks
 * lengths, knows nothing of sockets, windows or what a record means.
 *
 * magic 0x5B02 means version 2.
 *
 *   0        2        4                 8                                 16
 *   +--------+--------+-----------------+-----------------------------------+
 *   | magic  | flags  | state           | sender incarnation                |
 *   +--------+--------+-----------------+-----------------------------------+ 16
 *   | receiver incarnation              | token ...                         |
 *   +-----------------------------------+-----------------------------------+ 32
 *   | ... token (16 bytes)              | sequence number                   |
 *   +-----------------------------------+-----------------------------------+ 48
 *   | received                          | done                              |
 *   +-----------------+-----------------+-----------------------------------+ 64
 *   | stamp           | echo            |
 *   +-----------------+-----------------+-----------------------------------+ 72
 *   | records: u32 length of type and body, u8 type, body ...               |
 *   +-----------------------------------------------------------------------+
 *
 * All fields are big-endian. Sequence 0: no records, only acknowledgement and lease. The stamp is
 * the sender's clock; the echo is the stamp of the newest frame that it has of the receiver in this
 * session, which is how the receiver knows until when it was heard.
 *
 * Example: flags GAP and ECHO, state 7, sequence 0x10000000001, both acknowledgements
 * 0x10000000000, stamp 0xabcd, echo 0x1234, one record of type 9 with the body "hi":
 *
 *   5b02 0003 00000007 0102030405060708
 *   1112131415161718 2021222324252627
 *   28292a2b2c2d2e2f 0000010000000001
 *   0000010000000000 0000010000000000
 *   0000abcd 00001234
 *   00000003 09 6869
 */
#ifndef SLUICE_COMMON_FEED_FRAME_H
#define SLUICE_COMMON_FEED_FRAME_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

#define FEED_FRAME_MAGIC           0x5B02u
#define FEED_FRAME_HEADER_LEN      72u
#define FEED_FRAME_RECORD_OVERHEAD 5u /* u32 length and u8 type */
#define FEED_FRAME_TOKEN_LEN       16u

enum feed_frame_flag {
    FEED_FRAME_GAP = 1, /* the sender of this frame missed something: repeat all above `received` */
    FEED_FRAME_ECHO = 2, /* `echo` is one */
    FEED_FRAME_EASY = 4, /* nobody waits to hear that this frame has arrived or is done */
};

struct feed_frame {
    uint16_t flags;  /* enum feed_frame_flag; unknown bits are ignored by receivers */
    uint32_t state;  /* 32 bits of the application, see peer.h */
    uint64_t sender; /* incarnations */
    uint64_t receiver;
    uint8_t token[FEED_FRAME_TOKEN_LEN];
    uint64_t seq;      /* 0: no records */
    uint64_t received; /* highest sequence number of the opposite feed taken in order */
    uint64_t done;     /* highest sequence number whose records the application has finished with */
    uint32_t stamp;    /* milliseconds, from anywhere, wrapping */
    uint32_t echo;
    struct slice records; /* borrowed from the decoded bytes */
};

/* Writes the header bytes (not the records) to `out`. */
void feed_frame_encode_header(const struct feed_frame *frame, uint8_t out[FEED_FRAME_HEADER_LEN]);

/* Decodes header and checks the record lengths to the end: after OK feed_frame_next cannot meet a
 * malformed record. ERR_MALFORMED: too short, bad record length, records with sequence 0 or none
 * with another. ERR_VERSION: other magic. ERR_TOO_LARGE: a record body above `max_record`. `*out`
 * borrows `bytes`. */
enum err feed_frame_decode(struct slice bytes, size_t max_record,
                           struct feed_frame *out) ERR_MUST_USE;

/* Takes the next record off `*records`; false at the end (or at a malformed record). `*body` is
 * borrowed. */
bool feed_frame_next(struct slice *records, uint8_t *type, struct slice *body);

/* Writes the 5 bytes that precede a body of `body_len` bytes. */
void feed_frame_put_record_header(uint8_t out[FEED_FRAME_RECORD_OVERHEAD], uint8_t type,
                                  size_t body_len);

#endif
