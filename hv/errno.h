/* Error numbers of Vigil's functions, negative when returned (values as in Linux' errno-base.h).
 * For all parts; newlib's own <errno.h> is not used at an interface. */
#pragma once

#ifndef VIGIL_HOST
#undef EPERM
#undef ENOENT
#undef EIO
#undef E2BIG
#undef EAGAIN
#undef ENOMEM
#undef EACCES
#undef EFAULT
#undef EBUSY
#undef EEXIST
#undef ENODEV
#undef EINVAL
#undef ENOSPC
#undef ERANGE
#undef EPROTO
#undef EBADMSG
#undef EOVERFLOW
#undef ENOTSUP
#undef ETIMEDOUT
#define EPERM     1
#define ENOENT    2
#define EIO       5
#define E2BIG     7
#define EAGAIN    11
#define ENOMEM    12
#define EACCES    13
#define EFAULT    14
#define EBUSY     16
#define EEXIST    17
#define ENODEV    19
#define EINVAL    22
#define ENOSPC    28
#define ERANGE    34
#define EPROTO    71
#define EBADMSG   74
#define EOVERFLOW 75
#define ENOTSUP   95
#define ETIMEDOUT 110
#else
#include <errno.h>
#endif
