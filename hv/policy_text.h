/* The policy lines of vigil.cfg as the loader and vigilc both see them: which lines they are, and a
 * checksum over them.
 *
 * The loader never parses policy; vigilc compiles the lines into the rules file and keeps their
 * checksum there. When the two checksums agree, the compiled policy is the one that stands in
 * vigil.cfg. Pure logic: compiled for the loader and for the host. May call: nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_LINES_MAX 256 /* policy lines in one file */

/* Is this line (white space cut off both ends, no line break) one of policy? It is if its first
 * word is deny, alert, allow, trace, watch or off. */
bool policy_text_is(const char *line, size_t len);

/* Continue the checksum (CRC-32C, 0 to start) with a policy line, trimmed as above. Runs of blanks
 * outside of double quotes count as one space, so that columns can be aligned without compiling
 * anew; order counts, other lines and line numbers do not. */
uint32_t policy_text_sum(uint32_t sum, const char *line, size_t len);
