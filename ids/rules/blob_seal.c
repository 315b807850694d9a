/* What the loader asks of a rules file: is it whole, and which policy does it hold? */
#include "ids/rules/blob.h"

const char *blob_policy_seal(const void *data, size_t len, struct blob_policy *out)
{
	const struct blob_header *h = data;
	const struct blob_span *s;

	*out = (struct blob_policy){0};
	if (len < sizeof(*h) || (uintptr_t)data & 7 || h->magic != BLOB_MAGIC)
		return "is not a rules file made by vigilc";
	if (h->version != BLOB_VERSION)
		return "is a rules file of another version of vigilc";
	if (h->size != len)
		return "is cut off or has a tail";
	s = &h->section[BLOB_POLICY];
	if (!s->size)
		return NULL;
	if (s->size != sizeof(*out) || s->offset & 7 || s->offset > len ||
	    s->size > len - s->offset)
		return "is damaged (policy out of bounds)";
	/* Summed only for a policy: the sentry does it again, and some rules files are large. */
	if (h->crc != blob_crc(data, len))
		return "is damaged (checksum)";
	*out = *(const struct blob_policy *)((const uint8_t *)data + s->offset);
	return NULL;
}
