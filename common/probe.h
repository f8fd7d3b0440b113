/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the probes of a program that runs on this machine (http.h): what `--probe` does, so that a
 * container needs no other program to know its health. One blocking request; no loop, no retry. */
#ifndef SLUICE_COMMON_PROBE_H
#define SLUICE_COMMON_PROBE_H

#include "common/buf.h"
#include "common/err.h"

#include <stdint.h>

#define PROBE_TIMEOUT_MS 2000

/* GET path (absolute, no spaces) of the address that the program's http-bind names ("0.0.0.0" and
 * "::": this host). The body is appended to *body. OK: 200. ERR_UNAVAILABLE: another status.
 * ERR_IO: nobody answers in time. ERR_MALFORMED: no address, or what answers does not speak HTTP.
 */
ERR_MUST_USE enum err probe_ask(const char *bind, uint16_t port, const char *path,
                                struct buf *body);

#endif
