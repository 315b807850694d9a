/* Mounts: mount(2), and move_mount(2) of the newer interface. */
#include "ids/policy/hook.h"

/* include/uapi/linux/mount.h */
#define LINUX_MS_REMOUNT 0x20u
#define LINUX_MS_BIND	 0x1000u
#define LINUX_MS_MOVE	 0x2000u
#define LINUX_MS_SHARING 0x1e0000u /* UNBINDABLE, PRIVATE, SLAVE, SHARED */

/* A string that the call may lack. */
static void of_string(const struct policy_layout *l, uint64_t va, char *dst, size_t size,
		      enum policy_field f, struct policy_record *r)
{
	if (!va)
		return;
	if (layout_string(l, va, dst, size))
		record_text(r, f, dst);
	else
		record_unknown(r, f);
}

static void of_path(const struct policy_layout *l, uint64_t va, char *dst, size_t size,
		    enum policy_field f, struct policy_record *r)
{
	int len = task_path(l->kernel, va, dst, size);

	if (len > 0 && (size_t)len < size - 1)
		record_text(r, f, dst);
	else
		record_unknown(r, f);
}

bool decode_mount(const struct policy_layout *l, const struct probe_hit *hit,
		  struct policy_record *r)
{
	uint64_t flags = r->number[FIELD_FLAGS];

	flags |= hit->arg[3] & LINUX_MS_REMOUNT ? FLAG_REMOUNT : 0;
	flags |= hit->arg[3] & LINUX_MS_BIND ? FLAG_BINDS : 0;
	flags |= hit->arg[3] & LINUX_MS_MOVE ? FLAG_MOVE : 0;
	flags |= hit->arg[3] & LINUX_MS_SHARING ? FLAG_SHARING : 0;
	of_string(l, hit->arg[0], r->dev, sizeof(r->dev), FIELD_DEV, r);
	of_string(l, hit->arg[2], r->fstype, sizeof(r->fstype), FIELD_FSTYPE, r);
	of_path(l, hit->arg[1], r->path, sizeof(r->path), FIELD_PATH, r);
	record_number(r, FIELD_FLAGS, flags);
	/* What is mounted already is changed. Service managers do that by the hundred. */
	r->gate = flags & (FLAG_REMOUNT | FLAG_SHARING) ? GATE_REMOUNT : GATE_MOUNT;
	return true;
}

bool decode_move_mount(const struct policy_layout *l, const struct probe_hit *hit,
		       struct policy_record *r)
{
	uint64_t at = 0;

	r->gate = GATE_MOUNT;
	of_path(l, hit->arg[0], r->dev, sizeof(r->dev), FIELD_DEV, r);
	of_path(l, hit->arg[1], r->path, sizeof(r->path), FIELD_PATH, r);
	record_unknown(r, FIELD_FSTYPE);
	if (layout_read(l, hit->arg[0], MEMBER_PATH_MNT, &at) &&
	    layout_read(l, at, MEMBER_MNT_SB, &at) && layout_read(l, at, MEMBER_SB_TYPE, &at) &&
	    layout_read(l, at, MEMBER_FSTYPE_NAME, &at))
		of_string(l, at, r->fstype, sizeof(r->fstype), FIELD_FSTYPE, r);
	record_number(r, FIELD_FLAGS, r->number[FIELD_FLAGS] | FLAG_MOVE);
	return true;
}
