#include <string.h>

#include "ids/app/buffer.h"
#include "ids/app/event.h"

/* By protocol, then by bit. */
static const char *const names[APP_PROTOS][APP_EVENTS_MAX] = {
	[APP_UNKNOWN] =
		{
			[APP_EVENT_MISMATCH_PROTOCOL_BOTH_DIRECTIONS] =
				"applayer_mismatch_protocol_both_directions",
			[APP_EVENT_WRONG_DIRECTION_FIRST_DATA] =
				"applayer_wrong_direction_first_data",
			[APP_EVENT_DETECT_PROTOCOL_ONLY_ONE_DIRECTION] =
				"applayer_detect_protocol_only_one_direction",
			[APP_EVENT_PROTO_DETECTION_SKIPPED] = "applayer_proto_detection_skipped",
			[APP_EVENT_NO_TLS_AFTER_STARTTLS] = "applayer_no_tls_after_starttls",
			[APP_EVENT_UNEXPECTED_PROTOCOL] = "applayer_unexpected_protocol",
		},
	[APP_HTTP] =
		{
			[HTTP_EVENT_UNKNOWN_ERROR] = "http.unknown_error",
			[HTTP_EVENT_GZIP_DECOMPRESSION_FAILED] = "http.gzip_decompression_failed",
			[HTTP_EVENT_REQUEST_FIELD_MISSING_COLON] =
				"http.request_field_missing_colon",
			[HTTP_EVENT_RESPONSE_FIELD_MISSING_COLON] =
				"http.response_field_missing_colon",
			[HTTP_EVENT_INVALID_REQUEST_CHUNK_LEN] = "http.invalid_request_chunk_len",
			[HTTP_EVENT_INVALID_RESPONSE_CHUNK_LEN] = "http.invalid_response_chunk_len",
			[HTTP_EVENT_INVALID_TRANSFER_ENCODING_VALUE_IN_REQUEST] =
				"http.invalid_transfer_encoding_value_in_request",
			[HTTP_EVENT_INVALID_TRANSFER_ENCODING_VALUE_IN_RESPONSE] =
				"http.invalid_transfer_encoding_value_in_response",
			[HTTP_EVENT_INVALID_CONTENT_LENGTH_FIELD_IN_REQUEST] =
				"http.invalid_content_length_field_in_request",
			[HTTP_EVENT_INVALID_CONTENT_LENGTH_FIELD_IN_RESPONSE] =
				"http.invalid_content_length_field_in_response",
			[HTTP_EVENT_DUPLICATE_CONTENT_LENGTH_FIELD_IN_REQUEST] =
				"http.duplicate_content_length_field_in_request",
			[HTTP_EVENT_DUPLICATE_CONTENT_LENGTH_FIELD_IN_RESPONSE] =
				"http.duplicate_content_length_field_in_response",
			[HTTP_EVENT_100_CONTINUE_ALREADY_SEEN] = "http.100_continue_already_seen",
			[HTTP_EVENT_UNABLE_TO_MATCH_RESPONSE_TO_REQUEST] =
				"http.unable_to_match_response_to_request",
			[HTTP_EVENT_INVALID_SERVER_PORT_IN_REQUEST] =
				"http.invalid_server_port_in_request",
			[HTTP_EVENT_INVALID_AUTHORITY_PORT] = "http.invalid_authority_port",
			[HTTP_EVENT_REQUEST_HEADER_INVALID] = "http.request_header_invalid",
			[HTTP_EVENT_RESPONSE_HEADER_INVALID] = "http.response_header_invalid",
			[HTTP_EVENT_MISSING_HOST_HEADER] = "http.missing_host_header",
			[HTTP_EVENT_HOST_HEADER_AMBIGUOUS] = "http.host_header_ambiguous",
			[HTTP_EVENT_INVALID_REQUEST_FIELD_FOLDING] =
				"http.invalid_request_field_folding",
			[HTTP_EVENT_INVALID_RESPONSE_FIELD_FOLDING] =
				"http.invalid_response_field_folding",
			[HTTP_EVENT_REQUEST_FIELD_TOO_LONG] = "http.request_field_too_long",
			[HTTP_EVENT_RESPONSE_FIELD_TOO_LONG] = "http.response_field_too_long",
			[HTTP_EVENT_FILE_NAME_TOO_LONG] = "http.file_name_too_long",
			[HTTP_EVENT_REQUEST_LINE_INVALID] = "http.request_line_invalid",
			[HTTP_EVENT_REQUEST_BODY_UNEXPECTED] = "http.request_body_unexpected",
			[HTTP_EVENT_REQUEST_SERVER_PORT_TCP_PORT_MISMATCH] =
				"http.request_server_port_tcp_port_mismatch",
			[HTTP_EVENT_REQUEST_URI_HOST_INVALID] = "http.request_uri_host_invalid",
			[HTTP_EVENT_REQUEST_HEADER_HOST_INVALID] =
				"http.request_header_host_invalid",
			[HTTP_EVENT_REQUEST_AUTH_UNRECOGNIZED] = "http.request_auth_unrecognized",
			[HTTP_EVENT_REQUEST_HEADER_REPETITION] = "http.request_header_repetition",
			[HTTP_EVENT_RESPONSE_HEADER_REPETITION] = "http.response_header_repetition",
			[HTTP_EVENT_DOUBLE_ENCODED_URI] = "http.double_encoded_uri",
			[HTTP_EVENT_URI_DELIM_NON_COMPLIANT] = "http.uri_delim_non_compliant",
			[HTTP_EVENT_METHOD_DELIM_NON_COMPLIANT] = "http.method_delim_non_compliant",
			[HTTP_EVENT_REQUEST_LINE_LEADING_WHITESPACE] =
				"http.request_line_leading_whitespace",
			[HTTP_EVENT_TOO_MANY_ENCODING_LAYERS] = "http.too_many_encoding_layers",
			[HTTP_EVENT_ABNORMAL_CE_HEADER] = "http.abnormal_ce_header",
			[HTTP_EVENT_RESPONSE_MULTIPART_BYTERANGES] =
				"http.response_multipart_byteranges",
			[HTTP_EVENT_RESPONSE_ABNORMAL_TRANSFER_ENCODING] =
				"http.response_abnormal_transfer_encoding",
			[HTTP_EVENT_RESPONSE_CHUNKED_OLD_PROTO] = "http.response_chunked_old_proto",
			[HTTP_EVENT_RESPONSE_INVALID_PROTOCOL] = "http.response_invalid_protocol",
			[HTTP_EVENT_RESPONSE_INVALID_STATUS] = "http.response_invalid_status",
			[HTTP_EVENT_REQUEST_LINE_INCOMPLETE] = "http.request_line_incomplete",
			[HTTP_EVENT_LZMA_MEMLIMIT_REACHED] = "http.lzma_memlimit_reached",
			[HTTP_EVENT_COMPRESSION_BOMB] = "http.compression_bomb",
			[HTTP_EVENT_RANGE_INVALID] = "http.range_invalid",
			[HTTP_EVENT_REQUEST_CHUNK_EXTENSION] = "http.request_chunk_extension",
			[HTTP_EVENT_REQUEST_TOO_MANY_HEADERS] = "http.request_too_many_headers",
			[HTTP_EVENT_RESPONSE_TOO_MANY_HEADERS] = "http.response_too_many_headers",
			[HTTP_EVENT_MULTIPART_GENERIC_ERROR] = "http.multipart_generic_error",
			[HTTP_EVENT_MULTIPART_NO_FILEDATA] = "http.multipart_no_filedata",
			[HTTP_EVENT_MULTIPART_INVALID_HEADER] = "http.multipart_invalid_header",
			[HTTP_EVENT_TOO_MANY_WARNINGS] = "http.too_many_warnings",
			[HTTP_EVENT_FAILED_PROTOCOL_CHANGE] = "http.failed_protocol_change",
		},
	[APP_DNS] =
		{
			[DNS_EVENT_MALFORMED_DATA] = "dns.malformed_data",
			[DNS_EVENT_NOT_REQUEST] = "dns.not_request",
			[DNS_EVENT_NOT_RESPONSE] = "dns.not_response",
			[DNS_EVENT_Z_FLAG_SET] = "dns.z_flag_set",
			[DNS_EVENT_INVALID_OPCODE] = "dns.invalid_opcode",
			[DNS_EVENT_NAME_TOO_LONG] = "dns.name_too_long",
			[DNS_EVENT_INFINITE_LOOP] = "dns.infinite_loop",
			[DNS_EVENT_TOO_MANY_LABELS] = "dns.too_many_labels",
		},
	[APP_TLS] =
		{
			[TLS_EVENT_INVALID_SSLV2_HEADER] = "tls.invalid_sslv2_header",
			[TLS_EVENT_INVALID_TLS_HEADER] = "tls.invalid_tls_header",
			[TLS_EVENT_INVALID_RECORD_VERSION] = "tls.invalid_record_version",
			[TLS_EVENT_INVALID_RECORD_TYPE] = "tls.invalid_record_type",
			[TLS_EVENT_INVALID_RECORD_LENGTH] = "tls.invalid_record_length",
			[TLS_EVENT_INVALID_HANDSHAKE_MESSAGE] = "tls.invalid_handshake_message",
			[TLS_EVENT_HEARTBEAT_MESSAGE] = "tls.heartbeat_message",
			[TLS_EVENT_INVALID_HEARTBEAT_MESSAGE] = "tls.invalid_heartbeat_message",
			[TLS_EVENT_OVERFLOW_HEARTBEAT_MESSAGE] = "tls.overflow_heartbeat_message",
			[TLS_EVENT_DATALEAK_HEARTBEAT_MISMATCH] = "tls.dataleak_heartbeat_mismatch",
			[TLS_EVENT_HANDSHAKE_INVALID_LENGTH] = "tls.handshake_invalid_length",
			[TLS_EVENT_MULTIPLE_SNI_EXTENSIONS] = "tls.multiple_sni_extensions",
			[TLS_EVENT_INVALID_SNI_TYPE] = "tls.invalid_sni_type",
			[TLS_EVENT_INVALID_SNI_LENGTH] = "tls.invalid_sni_length",
			[TLS_EVENT_TOO_MANY_RECORDS_IN_PACKET] = "tls.too_many_records_in_packet",
			[TLS_EVENT_INVALID_CERTIFICATE] = "tls.invalid_certificate",
			[TLS_EVENT_CERTIFICATE_INVALID_LENGTH] = "tls.certificate_invalid_length",
			[TLS_EVENT_CERTIFICATE_INVALID_VERSION] = "tls.certificate_invalid_version",
			[TLS_EVENT_CERTIFICATE_INVALID_SERIAL] = "tls.certificate_invalid_serial",
			[TLS_EVENT_CERTIFICATE_INVALID_ALGORITHMIDENTIFIER] =
				"tls.certificate_invalid_algorithmidentifier",
			[TLS_EVENT_CERTIFICATE_INVALID_X509NAME] =
				"tls.certificate_invalid_x509name",
			[TLS_EVENT_CERTIFICATE_INVALID_DATE] = "tls.certificate_invalid_date",
			[TLS_EVENT_CERTIFICATE_INVALID_EXTENSIONS] =
				"tls.certificate_invalid_extensions",
			[TLS_EVENT_CERTIFICATE_INVALID_DER] = "tls.certificate_invalid_der",
			[TLS_EVENT_CERTIFICATE_INVALID_SUBJECT] = "tls.certificate_invalid_subject",
			[TLS_EVENT_CERTIFICATE_INVALID_ISSUER] = "tls.certificate_invalid_issuer",
			[TLS_EVENT_CERTIFICATE_INVALID_VALIDITY] =
				"tls.certificate_invalid_validity",
			[TLS_EVENT_ERROR_MESSAGE_ENCOUNTERED] = "tls.error_message_encountered",
			[TLS_EVENT_INVALID_SSL_RECORD] = "tls.invalid_ssl_record",
		},
};

int app_event_find(const char *name)
{
	/* Suricata documents these two so; its table has the shorter. */
	static const struct {
		const char *alias, *name;
	} aliases[] = {
		{"dns.not_a_request", "dns.not_request"},
		{"dns.not_a_response", "dns.not_response"},
	};

	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (!strcmp(name, aliases[i].alias))
			name = aliases[i].name;
	for (int proto = 0; proto < APP_PROTOS; proto++)
		for (int bit = 0; bit < APP_EVENTS_MAX && names[proto][bit]; bit++)
			if (!strcmp(name, names[proto][bit]))
				return proto * APP_EVENTS_MAX + bit;
	return -1;
}

const char *app_event_name(int event)
{
	if (event < 0 || event >= APP_PROTOS * APP_EVENTS_MAX)
		return NULL;
	return names[event / APP_EVENTS_MAX][event % APP_EVENTS_MAX];
}
