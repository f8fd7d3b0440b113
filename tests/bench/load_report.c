/* SPDX-License-Identifier: Apache-2.0 */
/* See load_report.h. */
#include "tests/bench/load_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t
thousandth(const uint32_t *sorted, long count, long which)
{
    return count > 0 ? sorted[count * which / 1000] : 0;
}

void
load_report_second(const struct load *load, double at_s, long from)
{
    static uint32_t sorted[1000000];
    long max = (long)(sizeof(sorted) / sizeof(*sorted));
    long count = load->took_count - from < max ? load->took_count - from : max;
    if (count <= 0)
        return;
    memcpy(sorted, load->took_us + from, (size_t)count * sizeof(*sorted));
    qsort(sorted, (size_t)count, sizeof(*sorted), by_size);
    printf("second %.1f received %ld p50_us %u p99_us %u max_us %u\n", at_s, count,
           thousandth(sorted, count, 500), thousandth(sorted, count, 990), sorted[count - 1]);
    fflush(stdout);
}

void
load_report_end(struct load *load, double took_s, double cpu_s)
{
    uint32_t *sorted = load->took_us;
    long count = load->took_count;
    qsort(sorted, (size_t)count, sizeof(*sorted), by_size);
    printf("sent %ld received %ld/%ld lost %ld seconds %.2f in/s %.0f out/s %.0f p50_us %u "
           "p99_us %u p999_us %u gen_cpu %.0f%%\n",
           load->sent, load->received, load->expected, load->expected - load->received, took_s,
           (double)load->sent / took_s, (double)load->received / took_s,
           thousandth(sorted, count, 500), thousandth(sorted, count, 990),
           thousandth(sorted, count, 999), cpu_s / took_s * 100);
}

static long
rss_of(int pid)
{
    char path[64], line[256];
    long kb = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    FILE *status = fopen(path, "r");
    if (status == NULL)
        return 0;
    while (fgets(line, sizeof(line), status) != NULL && sscanf(line, "VmRSS: %ld", &kb) != 1)
        continue;
    fclose(status);
    return kb;
}

long
load_report_rss_kb(const struct load_options *options)
{
    long sum = 0;
    for (int i = 0; i < options->pid_count; i++)
        sum += rss_of(options->pids[i]);
    return sum;
}

void
load_report_connects(const struct load *load, double took_s, long rss_before_kb)
{
    printf("connections %d rate %.0f/s", load->ready, load->ready / took_s);
    if (load->options->pid_count > 0)
        printf(" bytes_per_connection %.0f",
               (double)(load_report_rss_kb(load->options) - rss_before_kb) * 1024 / load->ready);
    printf("\n");
}
