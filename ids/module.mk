# The detection engine. IDS_SRC runs in the sentry and on the host; VIGILC_SRC, the rule compiler, only
# on the host.
IDS_SRC := ids/engine.c \
	ids/eve/json.c ids/eve/time.c ids/eve/eve.c ids/eve/alert.c ids/eve/community.c ids/eve/sha1.c \
	ids/packet/decode.c ids/packet/ip.c ids/flow/flow.c \
	ids/rules/blob.c ids/rules/crc32c.c ids/rules/mpm.c ids/rules/matcher.c \
	ids/rules/op.c ids/rules/op_content.c ids/rules/op_packet.c
SENTRY_SRC += $(IDS_SRC)
