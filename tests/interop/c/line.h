/* SPDX-License-Identifier: Apache-2.0 */
/* The lines that a test program reads and writes; tests/interop/README.md lists them. A line is a
 * word and ` key=value` pairs; texts and payloads are in hex. Knows nothing of MQTT libraries. */
#ifndef TESTS_INTEROP_C_LINE_H
#define TESTS_INTEROP_C_LINE_H

#include <stdbool.h>
#include <stddef.h>

struct line_text {
    const char *data; /* ends in NUL too; NULL: not given */
    size_t len;
};

/* What a 5.0 PUBLISH carries beside its payload. */
struct line_extras {
    struct line_text content, response, correlation, key, value;
};

struct line_command {
    const char *word;
    int version, qos, clean, retain, port, expiry, will_qos, will_retain;
    struct line_text id, filter, topic, payload, will_topic, will_payload;
    struct line_extras extras;
};

/* Reads the next line; false at the end of input. The texts live until the next call. */
bool line_read(struct line_command *result);
/* Writes one line; safe from any thread. */
void line_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void line_message(struct line_text topic, struct line_text payload, int qos, bool retain,
                  const struct line_extras *extras);

#endif
