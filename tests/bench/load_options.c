/* SPDX-License-Identifier: Apache-2.0 */
/* See load_options.h. */
#include "tests/bench/load_options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Numbers with commas between them, behind those that are there. */
static void
add_numbers(char *text, int *numbers, int *count, int max)
{
    for (char *number = strtok(text, ","); number != NULL && *count < max;
         number = strtok(NULL, ","))
        numbers[(*count)++] = atoi(number);
}

static bool
take(struct load_options *options, int option)
{
    switch (option) {
    case 'p':
        add_numbers(optarg, options->ports, &options->port_count, LOAD_PORTS_MAX);
        return true;
    case 'h':
        options->host = optarg;
        return true;
    case 'Y':
        options->publisher_port = atoi(optarg);
        return true;
    case 'E':
        options->transport = optarg;
        return true;
    case 'u':
        options->user = optarg;
        return true;
    case 'x':
        options->password = optarg;
        return true;
    case 'T':
        options->prefix = optarg;
        return true;
    case 'P':
        options->publishers = atoi(optarg);
        return true;
    case 'S':
        options->subscribers = atoi(optarg);
        return true;
    case 'G':
        options->groups = atoi(optarg);
        return true;
    case 'q':
        options->qos = atoi(optarg);
        return true;
    case 's':
        options->payload_len = atoi(optarg);
        return true;
    case 'n':
        options->messages = atol(optarg);
        return true;
    case 'w':
        options->window = atol(optarg);
        return true;
    case 'i':
        options->inflight = atoi(optarg);
        return true;
    case 'r':
        options->rate = atof(optarg);
        return true;
    case 't':
        options->timeout_s = atoi(optarg);
        return true;
    case 'k':
        options->is_persistent = true;
        return true;
    case 'c':
        options->only_connects = true;
        return true;
    case 'v':
        options->by_second = true;
        return true;
    case 'W':
        add_numbers(optarg, options->pids, &options->pid_count, LOAD_PIDS_MAX);
        return true;
    default:
        return false;
    }
}

bool
load_options_read(int argc, char **argv, struct load_options *options)
{
    int option;
    *options = (struct load_options){.host = "127.0.0.1",
                                     .transport = "tcp",
                                     .prefix = "P",
                                     .publishers = 1,
                                     .subscribers = 1,
                                     .groups = 1,
                                     .payload_len = 64,
                                     .messages = 100000,
                                     .window = 20000,
                                     .inflight = 100,
                                     .timeout_s = 60};
    while ((option = getopt(argc, argv, "p:h:Y:E:u:x:T:P:S:G:q:s:n:w:i:r:t:kcvW:")) != -1) {
        if (!take(options, option))
            return false;
    }
    if (options->port_count == 0)
        options->ports[options->port_count++] = 1883;
    if (options->payload_len < 8) /* the time at which it was sent */
        options->payload_len = 8;
    return true;
}
