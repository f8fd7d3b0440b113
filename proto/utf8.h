/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 as MQTT wants it. Checks only: nothing is normalised, changed or skipped.
 */
#ifndef SLUICE_PROTO_UTF8_H
#define SLUICE_PROTO_UTF8_H

#include <stdbool.h>

#include "common/str.h"

/* A "UTF-8 Encoded String": well-formed (RFC 3629: shortest form, no surrogates, up to U+10FFFF)
 * and without U+0000. The empty string is valid. [MQTT-1.5.4-1] [MQTT-1.5.4-2] */
bool utf8_is_valid(struct slice text);

/* "UTF-8 Encoded Character Data" (a payload whose format indicator is 1): as above, U+0000 allowed.
 */
bool utf8_is_well_formed(struct slice text);

/* How many bytes the character at the start of text takes: 1 to 4, or 0 if it is not well-formed.
 */
size_t utf8_char_len(struct slice text);

#endif
