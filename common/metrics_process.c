/* SPDX-License-Identifier: Apache-2.0 */
/* What every program says about itself at a scrape: memory, descriptors, CPU, start, version. Reads
 * /proc of this process; what cannot be read is left out. */
#include "common/clock.h"
#include "common/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static void
metrics_process_memory(struct buf *out)
{
    unsigned long pages_virtual;
    unsigned long pages_resident;
    long page = sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return;
    if (fscanf(file, "%lu %lu", &pages_virtual, &pages_resident) == 2) {
        metrics_put(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size.",
                    (double)pages_virtual * (double)page);
        metrics_put(out, "process_resident_memory_bytes", "gauge", "Resident memory size.",
                    (double)pages_resident * (double)page);
    }
    fclose(file);
}

static void
metrics_process_descriptors(struct buf *out)
{
    struct rlimit limit;
    DIR *dir = opendir("/proc/self/fd");
    double count = -3; /* ".", ".." and the directory's own */
    if (dir != NULL) {
        while (readdir(dir) != NULL)
            count++;
        closedir(dir);
        metrics_put(out, "process_open_fds", "gauge", "Open file descriptors.", count);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        metrics_put(out, "process_max_fds", "gauge", "Limit of open file descriptors.",
                    (double)limit.rlim_cur);
}

static void
metrics_process_scrape(void *arg, struct buf *out)
{
    struct rusage usage;
    (void)arg;
    metrics_process_memory(out);
    metrics_process_descriptors(out);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        metrics_put(out, "process_cpu_seconds_total", "counter", "CPU time, user and system.",
                    (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                        (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

void
metrics_add_process(struct metrics *metrics, const char *program, const char *version)
{
    const struct metric_label labels[] = {{"program", program}, {"version", version}};
    metric_gauge_set(
        metrics_gauge(metrics, "sluice_build_info", "Which program this is; always 1.", labels, 2),
        1);
    metric_gauge_set(metrics_gauge(metrics, "process_start_time_seconds",
                                   "When the program started, in seconds since 1970.", NULL, 0),
                     (int64_t)(clock_wall_ms() / 1000));
    metrics_on_scrape(metrics, metrics_process_scrape, NULL);
}
