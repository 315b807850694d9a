/* The application layer with a consumer that keeps everything it is told, for unit tests and
 * fuzzers (no cmocka). It checks on the way what any consumer relies on, and aborts if that does
 * not hold: progress only goes up, a buffer that is complete never changes, one that grows only
 * grows. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ids/app/app.h"

#define WORLD_TXS 16 /* transactions kept; later ones are counted only */

/* A buffer as it was told last. */
struct kept {
	bool there;
	uint32_t len;
	uint8_t *at;
};

struct kept_tx {
	bool there;
	uint8_t proto, progress[2];
	uint64_t events;
	struct kept buffer[2][APP_BUFFERS]; /* by direction; of several the first */
	struct kept second[APP_BUFFERS];    /* of several the second */
	unsigned tells;
};

struct app_world {
	struct app *app;
	struct app_flow *flow;
	void *memory;
	struct kept_tx tx[WORLD_TXS];
	uint64_t txs;
	uint64_t events; /* of the flow */
	uint8_t proto, proto_of[2];
	/* Called for each transaction told, if not NULL. */
	void (*look)(struct app_world *w, struct app_tx *tx, bool to_server);
	void *look_ctx;
};

void app_world_open(struct app_world *w, const struct app_config *config, bool tcp,
		    uint16_t client_port, uint16_t server_port);
/* Octets, from memory of exactly their size. */
void app_world_data(struct app_world *w, bool to_server, const void *data, size_t len,
		    unsigned flags);
void app_world_datagram(struct app_world *w, bool to_server, const void *data, size_t len);
/* The flow ends. What was kept stays. All memory must be back in the pool. */
void app_world_end(struct app_world *w);
void app_world_close(struct app_world *w);

/* What two worlds were told in the end is the same; otherwise a text that says what is not. */
const char *app_world_differs(const struct app_world *a, const struct app_world *b);
