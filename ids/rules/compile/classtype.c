/* The classification names that rule sets use, with the priorities and category names that
 * Suricata's EVE shows for them. */
#include <stdlib.h>
#include <string.h>

#include "ids/rules/compile/rule.h"

/* Sorted by name. */
static const struct classtype classtypes[] = {
	{"attempted-admin", "Attempted Administrator Privilege Gain", 1},
	{"attempted-dos", "Attempted Denial of Service", 2},
	{"attempted-recon", "Attempted Information Leak", 2},
	{"attempted-user", "Attempted User Privilege Gain", 1},
	{"bad-unknown", "Potentially Bad Traffic", 2},
	{"coin-mining", "Crypto Currency Mining Activity Detected", 2},
	{"command-and-control", "Malware Command and Control Activity Detected", 1},
	{"credential-theft", "Successful Credential Theft Detected", 1},
	{"default-login-attempt", "Attempt to login by a default username and password", 2},
	{"denial-of-service", "Detection of a Denial of Service Attack", 2},
	{"domain-c2", "Domain Observed Used for C2 Detected", 1},
	{"exploit-kit", "Exploit Kit Activity Detected", 1},
	{"external-ip-check", "Device Retrieving External IP Address Detected", 2},
	{"file-format", "Known malicious file or file based exploit", 1},
	{"icmp-event", "Generic ICMP event", 3},
	{"inappropriate-content", "Inappropriate Content was Detected", 1},
	{"malware-cnc", "Known malware command and control traffic", 1},
	{"misc-activity", "Misc activity", 3},
	{"misc-attack", "Misc Attack", 2},
	{"network-scan", "Detection of a Network Scan", 3},
	{"non-standard-protocol", "Detection of a non-standard protocol or event", 2},
	{"not-suspicious", "Not Suspicious Traffic", 3},
	{"policy-violation", "Potential Corporate Privacy Violation", 1},
	{"protocol-command-decode", "Generic Protocol Command Decode", 3},
	{"pup-activity", "Possibly Unwanted Program Detected", 2},
	{"rpc-portmap-decode", "Decode of an RPC Query", 2},
	{"sdf", "Sensitive Data was Transmitted Across the Network", 2},
	{"shellcode-detect", "Executable code was detected", 1},
	{"social-engineering", "Possible Social Engineering Attempted", 2},
	{"string-detect", "A suspicious string was detected", 3},
	{"successful-admin", "Successful Administrator Privilege Gain", 1},
	{"successful-dos", "Denial of Service", 2},
	{"successful-recon-largescale", "Large Scale Information Leak", 2},
	{"successful-recon-limited", "Information Leak", 2},
	{"successful-user", "Successful User Privilege Gain", 1},
	{"suspicious-filename-detect", "A suspicious filename was detected", 2},
	{"suspicious-login", "An attempted login using a suspicious username was detected", 2},
	{"system-call-detect", "A system call was detected", 2},
	{"targeted-activity", "Targeted Malicious Activity was Detected", 1},
	{"tcp-connection", "A TCP connection was detected", 4},
	{"trojan-activity", "A Network Trojan was detected", 1},
	{"unknown", "Unknown Traffic", 3},
	{"unsuccessful-user", "Unsuccessful User Privilege Gain", 1},
	{"unusual-client-port-connection", "A client was using an unusual port", 2},
	{"web-application-activity", "access to a potentially vulnerable web application", 2},
	{"web-application-attack", "Web Application Attack", 1},
};

static int by_name(const void *key, const void *entry)
{
	return strcmp(key, ((const struct classtype *)entry)->name);
}

const struct classtype *classtype_find(const char *name)
{
	return bsearch(name, classtypes, sizeof(classtypes) / sizeof(classtypes[0]),
		       sizeof(classtypes[0]), by_name);
}
