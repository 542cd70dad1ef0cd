/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <stdio.h>
#include <time.h>

#include "batch.h"
#include "totals.h"

#define SECOND_NS UINT64_C(1000000000)
/* All columns fit. */
#define WIDTH	  512

/* Renews the lease on the table of clients while it waits. */
static void wait_ns(struct sampler *sampler, uint64_t ns)
{
	while (ns) {
		uint64_t step = ns < SECOND_NS ? ns : SECOND_NS;
		struct timespec pause = {
			.tv_sec = (time_t)(step / SECOND_NS),
			.tv_nsec = (long)(step % SECOND_NS),
		};

		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		sampler_renew(sampler);
		ns -= step;
	}
}

static void print_columns(const struct picture *picture,
			  const unsigned int *chosen, unsigned int nr,
			  const struct row *row)
{
	char field[ROW_ADDRESS];

	for (unsigned int i = 0; i < nr; i++) {
		column_write(picture, chosen[i], row, field, sizeof(field));
		fputs(field, stdout);
	}
	putchar('\n');
}

static void print_picture(struct sampler *sampler, const struct order *order)
{
	struct picture *picture = &sampler->picture;
	char lines[TOTALS_LINES][TOTALS_WIDTH];
	unsigned int chosen[COLUMNS_MAX], nr;

	totals_write(&sampler->server, picture, lines);
	for (unsigned int i = 0; i < TOTALS_LINES; i++)
		puts(lines[i]);
	putchar('\n');
	columns_sort(picture, order);
	nr = columns_choose(picture, WIDTH, order->column, chosen);
	print_columns(picture, chosen, nr, NULL);
	for (unsigned int i = 0; i < picture->nr; i++)
		print_columns(picture, chosen, nr, &picture->rows[i]);
	putchar('\n');
	fflush(stdout);
}

int batch(struct sampler *sampler, const struct order *order, uint64_t delay_ns,
	  unsigned int count, struct fault *fault)
{
	if (sampler_next(sampler, fault))
		return fault->status;
	for (unsigned int i = 0; !count || i < count; i++) {
		wait_ns(sampler, delay_ns);
		if (sampler_next(sampler, fault))
			return fault->status;
		print_picture(sampler, order);
		if (ferror(stdout))
			break; /* checked by the caller */
	}
	return FAULT_NONE;
}
