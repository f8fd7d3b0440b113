/* SPDX-License-Identifier: Apache-2.0 */
/* What mqload says in the end, or every second: rates, latencies, memory. One line each. */
#ifndef TESTS_BENCH_LOAD_REPORT_H
#define TESTS_BENCH_LOAD_REPORT_H

#include "tests/bench/load_client.h"

/* Resident memory of the processes that are weighed, together. */
long load_report_rss_kb(const struct load_options *options);
/* Deliveries from `from` on, of a second that began at_s after the load. */
void load_report_second(const struct load *load, double at_s, long from);
/* cpu_s: what the load generator itself took. */
void load_report_end(struct load *load, double took_s, double cpu_s);
void load_report_connects(const struct load *load, double took_s, long rss_before_kb);

#endif
