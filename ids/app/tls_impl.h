/* What the files of the TLS parser share. Only for ids/app/tls*.c. */
#pragma once

#include "ids/app/app_impl.h"
#include "ids/app/tls.h"

#define TLS_RECORD_MAX	(16384 + 1024) /* as Suricata */
#define TLS_MESSAGE_MAX 32768	       /* a handshake message that is looked into */
#define TLS_CERTS_MAX	16	       /* certificates of a chain that are kept */
#define TLS_NAME_MAX	8192	       /* subject and issuer, each */
#define TLS_JA3_MAX	16384

struct tls_part {
	uint32_t at, len;
	bool set;
};

struct tls_tx {
	struct app_tx tx;
	struct buf text;  /* SNI, names, serial, fingerprint, JA3 strings */
	struct buf certs; /* DER of the chain */
	struct tls_part sni, subject, issuer, serial, fingerprint, ja3[2];
	struct tls_part cert[TLS_CERTS_MAX];
	uint32_t cert_count;
	int64_t not_before, not_after;
	uint8_t random[2][32], hash[2][32]; /* by direction; JA3 in hexadecimal */
	uint16_t version;
	bool hello[2], has_cert;
};

struct tls_side {
	uint8_t head[5]; /* record header */
	uint8_t head_len;
	uint8_t type;
	uint8_t beat[3]; /* of a heartbeat */
	uint16_t left;	 /* of the record */
	uint16_t record_len, seen;
	struct buf message;    /* handshake message that is not complete */
	uint32_t message_left; /* of one that is passed over */
	uint8_t message_head[4];
	uint8_t message_head_len;
	bool started, ssl2, encrypted;
};

struct tls_flow {
	struct tls_tx *tx;
	struct tls_side side[2];
	bool beat_out, beat_by[2]; /* a heartbeat is not answered; who sent it */
};

static inline void tls_event(struct tls_tx *tx, unsigned event)
{
	tx->tx.events |= 1ull << event;
}

/* tls_hello.c: bodies of hello messages. */
enum app_result tls_hello(struct app_flow *flow, struct tls_tx *tx, bool to_server,
			  const uint8_t *body, uint32_t len);
/* tls_cert.c: body of a Certificate message. */
enum app_result tls_certificate(struct app_flow *flow, struct tls_tx *tx, const uint8_t *body,
				uint32_t len);
