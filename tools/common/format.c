/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "format.h"

const char *format_grouped(char out[FORMAT_GROUPED], uint64_t value)
{
	char digits[21];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, value);
	char *at = out;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*at++ = ',';
		*at++ = digits[i];
	}
	*at = '\0';
	return out;
}

const char *format_count(char out[FORMAT_SHORT], uint64_t value, int width)
{
	static const char units[] = "kMGTPE";
	char text[24];
	int len = snprintf(text, sizeof(text), "%" PRIu64, value);

	for (int i = 0; len > width && units[i]; i++) {
		value = value / 1000 + (value % 1000 >= 500);
		len = snprintf(text, sizeof(text), "%" PRIu64 "%c", value,
			       units[i]);
	}
	memcpy(out, text, FORMAT_SHORT - 1);
	out[FORMAT_SHORT - 1] = '\0';
	return out;
}

const char *format_rate(char out[FORMAT_SHORT], double value, int width)
{
	int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;

	if (value >= 999.5 || value == 0)
		return format_count(out, (uint64_t)(value + 0.5), width);
	snprintf(out, FORMAT_SHORT, "%.*f", decimals, value);
	return out;
}

static const char *scaled(char *out, double value, double step,
			  const char *const *units, unsigned int nr)
{
	unsigned int i = 0;

	while (i + 1 < nr && value >= step) {
		value /= step;
		i++;
	}
	snprintf(out, FORMAT_SHORT, "%.*f %s", i ? 1 : 0, value, units[i]);
	return out;
}

const char *format_bytes(char out[FORMAT_SHORT], uint64_t bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB",
					    "GiB",   "TiB", "PiB"};

	return scaled(out, (double)bytes, 1024, units,
		      sizeof(units) / sizeof(*units));
}

const char *format_ns(char out[FORMAT_SHORT], uint64_t ns)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};

	return scaled(out, (double)ns, 1000, units,
		      sizeof(units) / sizeof(*units));
}
