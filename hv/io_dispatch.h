/* The exit handler's side of hv/io.h. */
#pragma once

#include "hv/io.h"

/* Carry out one access of the guest that was intercepted. Exit context, no lock held. */
void io_dispatch(struct io_access *access);
