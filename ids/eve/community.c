#include <string.h>

#include "ids/eve/community.h"
#include "ids/digest.h"

#define MESSAGE_MAX (2 + 16 + 16 + 1 + 1 + 2 + 2) /* seed, addresses, protocol, zero, ports */

static void base64(char *out, const uint8_t *data, size_t len)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)data[i] << 16;

		if (i + 1 < len)
			v |= (uint32_t)data[i + 1] << 8;
		if (i + 2 < len)
			v |= data[i + 2];
		*out++ = digit[v >> 18];
		*out++ = digit[v >> 12 & 63];
		*out++ = i + 1 < len ? digit[v >> 6 & 63] : '=';
		*out++ = i + 2 < len ? digit[v & 63] : '=';
	}
	*out = '\0';
}

/* ICMP takes the place of ports: the type, and the type that answers it; one-way types their code.
 */
static bool icmp_ports(const struct packet *p, uint16_t *sp, uint16_t *dp)
{
	static const uint8_t pair4[][2] = {{8, 0},   {0, 8},   {13, 14}, {14, 13}, {15, 16},
					   {16, 15}, {17, 18}, {18, 17}, {10, 9},  {9, 10}};
	static const uint8_t pair6[][2] = {{128, 129}, {129, 128}, {130, 131}, {131, 130},
					   {133, 134}, {134, 133}, {135, 136}, {136, 135},
					   {139, 140}, {140, 139}, {144, 145}, {145, 144}};
	bool v6 = p->ip_version == 6;
	const uint8_t(*pair)[2] = v6 ? pair6 : pair4;

	*sp = p->icmp_type;
	*dp = p->icmp_code;
	for (size_t i = 0; i < (v6 ? sizeof(pair6) : sizeof(pair4)) / 2; i++)
		if (pair[i][0] == p->icmp_type) {
			*dp = pair[i][1];
			return true;
		}
	return false;
}

void community_id(char out[COMMUNITY_ID_SIZE], const struct packet *p, uint16_t seed)
{
	size_t size = p->ip_version == 4 ? 4 : 16, n = 0;
	uint8_t message[MESSAGE_MAX], digest[SHA1_OCTETS];
	uint16_t sp = p->sp, dp = p->dp;
	bool two_way = true, swap;
	int order;

	if (p->has_icmp)
		two_way = icmp_ports(p, &sp, &dp);
	order = memcmp(p->src, p->dst, size);
	swap = two_way && (order > 0 || (order == 0 && sp > dp));
	message[n++] = (uint8_t)(seed >> 8);
	message[n++] = (uint8_t)seed;
	memcpy(message + n, swap ? p->dst : p->src, size);
	n += size;
	memcpy(message + n, swap ? p->src : p->dst, size);
	n += size;
	message[n++] = p->proto;
	message[n++] = 0;
	if (p->has_ports || p->has_icmp) {
		uint16_t first = swap ? dp : sp, second = swap ? sp : dp;

		message[n++] = (uint8_t)(first >> 8);
		message[n++] = (uint8_t)first;
		message[n++] = (uint8_t)(second >> 8);
		message[n++] = (uint8_t)second;
	}
	digest_sha1(digest, message, n);
	out[0] = '1';
	out[1] = ':';
	base64(out + 2, digest, sizeof(digest));
}
