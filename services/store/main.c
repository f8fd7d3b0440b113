/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-store: settings, signals, run, end. */
#include "common/log.h"
#include "common/loop.h"
#include "services/store/store.h"
#include "services/store/store_config.h"
#include "services/store/transfer.h"

#include <signal.h>
#include <unistd.h>

static void
stop(void *arg)
{
    log_info("stopping", LOG_END);
    loop_stop(arg);
}

int
main(int argc, char **argv)
{
    struct store_config config;
    struct conf *conf = NULL;
    struct store *store = NULL;
    struct loop *loop;
    int status = 2;
    enum conf_outcome outcome = store_config_load(argc, argv, &config, &conf);
    if (outcome != CONF_RUN) {
        conf_free(conf);
        return conf_exit_status(outcome);
    }
    config.conf = conf;
    log_open("sluice-store", (enum log_level)config.common.log_level,
             (enum log_format)config.common.log_format);
    (void)signal(SIGPIPE, SIG_IGN);
    if (config.export_file[0] != '\0' || config.import_file[0] != '\0') {
        status = transfer_run(&config);
        conf_free(conf);
        return status;
    }
    loop = loop_new();
    loop_on_signal(loop, SIGTERM, stop, loop);
    loop_on_signal(loop, SIGINT, stop, loop);
    if (store_new(&config, loop, &store) == OK) {
        loop_run(loop);
        status = store->exit_status;
        /* Nothing was taken on, and the database may keep us waiting; or another store has the
         * data, and nothing of ours may be written or answered any more. */
        if (status != 0 || !store->started)
            _exit(status);
        store_free(store);
    }
    loop_free(loop);
    conf_free(conf);
    return status;
}
