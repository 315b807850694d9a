#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/text.h"
#include "ids/rules/compile/vars.h"

static const char *const defaults[][2] = {
	{"HOME_NET", "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]"},
	{"EXTERNAL_NET", "!$HOME_NET"},
	{"HTTP_SERVERS", "$HOME_NET"},
	{"SMTP_SERVERS", "$HOME_NET"},
	{"SQL_SERVERS", "$HOME_NET"},
	{"DNS_SERVERS", "$HOME_NET"},
	{"TELNET_SERVERS", "$HOME_NET"},
	{"SSH_SERVERS", "$HOME_NET"},
	{"FTP_SERVERS", "$HOME_NET"},
	{"SIP_SERVERS", "$HOME_NET"},
	{"AIM_SERVERS", "$EXTERNAL_NET"},
	{"DC_SERVERS", "$HOME_NET"},
	{"DNP3_SERVER", "$HOME_NET"},
	{"DNP3_CLIENT", "$HOME_NET"},
	{"MODBUS_CLIENT", "$HOME_NET"},
	{"MODBUS_SERVER", "$HOME_NET"},
	{"ENIP_CLIENT", "$HOME_NET"},
	{"ENIP_SERVER", "$HOME_NET"},
	{"HTTP_PORTS", "80"},
	{"SHELLCODE_PORTS", "!80"},
	{"ORACLE_PORTS", "1521"},
	{"SSH_PORTS", "22"},
	{"DNP3_PORTS", "20000"},
	{"MODBUS_PORTS", "502"},
	{"FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]"},
	{"FTP_PORTS", "21"},
	{"GENEVE_PORTS", "6081"},
	{"VXLAN_PORTS", "4789"},
	{"TEREDO_PORTS", "3544"},
	{"SIP_PORTS", "[5060,5061]"},
};

void vars_init(struct vars *v)
{
	memset(v, 0, sizeof(*v));
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		vars_set(v, defaults[i][0], defaults[i][1]);
}

void vars_free(struct vars *v)
{
	for (size_t i = 0; i < v->count; i++) {
		free(v->at[i].name);
		free(v->at[i].value);
	}
	free(v->at);
}

static long find(const struct vars *v, const char *name, size_t len)
{
	for (size_t i = 0; i < v->count; i++)
		if (strlen(v->at[i].name) == len && memcmp(v->at[i].name, name, len) == 0)
			return (long)i;
	return -1;
}

void vars_set(struct vars *v, const char *name, const char *value)
{
	char *copy = copy_text(value, strlen(value));
	long at;

	name += *name == '$';
	at = find(v, name, strlen(name));
	if (at >= 0) {
		free(v->at[at].value);
		v->at[at].value = copy;
		return;
	}
	v->at = grow(v->at, (v->count + 1) * sizeof(*v->at));
	v->at[v->count].name = copy_text(name, strlen(name));
	v->at[v->count++].value = copy;
}

const char *vars_get(const struct vars *v, const char *name, size_t len)
{
	long at = find(v, name, len);

	return at < 0 ? NULL : v->at[at].value;
}
