/* SPDX-License-Identifier: Apache-2.0 */
/* What all drivers share: the place where tests make the n-th step fail. */
#include "services/store/driver.h"

void
driver_fault_set(struct driver *driver, uint64_t at, uint64_t times, enum err err)
{
    atomic_store(&driver->fault_err, (int)err);
    atomic_store(&driver->fault_n, times);
    atomic_store(&driver->fault, at);
}

enum err
driver_fault_step(struct driver *driver)
{
    uint64_t left = atomic_load_explicit(&driver->fault, memory_order_relaxed);
    uint64_t times;
    if (left == 0)
        return OK;
    if (left > 1) {
        atomic_store(&driver->fault, left - 1);
        return OK;
    }
    times = atomic_load(&driver->fault_n);
    if (times <= 1)
        atomic_store(&driver->fault, 0);
    else
        atomic_store(&driver->fault_n, times - 1);
    return (enum err)atomic_load(&driver->fault_err);
}
