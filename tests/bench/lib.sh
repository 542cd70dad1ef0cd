# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Sourced by the benchmarks of this folder that start a server.
# shellcheck shell=bash
source "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"

# median FILE EXPRESSION [FORMAT]: of what awk makes of each line, whose fields are
# F1, F2 and so on.
median() {
	awk "{ print ${2//F/\$} }" "$1" | sort -n |
		awk -v format="${3:-%s}" '{ value[NR] = $1 }
			END { printf format, value[int((NR + 1) / 2)] }'
}
