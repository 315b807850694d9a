/* Error numbers of Vigil's functions, negative when returned (values as in Linux' errno-base.h).
 * For all parts; newlib's own <errno.h> must not be included beside it. */
#pragma once

#ifndef VIGIL_HOST
#define ENOENT	  2
#define EIO	  5
#define E2BIG	  7
#define ENOMEM	  12
#define EACCES	  13
#define EFAULT	  14
#define EBUSY	  16
#define EEXIST	  17
#define ENODEV	  19
#define EINVAL	  22
#define ENOSPC	  28
#define EPROTO	  71
#define EBADMSG	  74
#define ENOTSUP	  95
#define ETIMEDOUT 110
#else
#include <errno.h>
#endif
