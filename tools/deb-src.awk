# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Reads apt source files, one-line (*.list) and deb822 (*.sources), and prints
# one deb-src line per Debian repository in them, component main.
# -v codename=bookworm names the release.

function ours(uri, suite, parts, key,    suites) {
	suites = "^(" codename "|stable|oldstable)(-updates|-security|/updates)?$"
	return uri ~ /debian/ && suite ~ suites &&
		(" " parts " ") ~ /[ \t]main[ \t]/ &&
		(key == "" || key ~ /debian-archive/)
}

function emit(uri, suite, parts, key, trusted, valid,    options) {
	if (!ours(uri, suite, parts, key))
		return
	options = (key != "" ? " signed-by=" key : "") \
		(trusted != "" ? " trusted=" trusted : "") \
		(valid != "" ? " check-valid-until=" valid : "")
	print "deb-src " (options != "" ? "[" options " ] " : "") uri " " suite " main"
}

# deb822: a stanza is collected field by field and printed at its end.
function stanza(    u, s, i, j, nu, ns) {
	if (field["types"] ~ /(^|[ \t])deb(-src)?([ \t]|$)/ && field["enabled"] !~ /^[ \t]*(no|false|0)/) {
		nu = split(field["uris"], u)
		ns = split(field["suites"], s)
		for (i = 1; i <= nu; i++)
			for (j = 1; j <= ns; j++)
				emit(u[i], s[j], field["components"], trim(field["signed-by"]),
					trim(field["trusted"]), trim(field["check-valid-until"]))
	}
	split("", field)
	name = ""
}

function trim(text) {
	gsub(/^[ \t]+|[ \t]+$/, "", text)
	return text
}

function option(options, key,    pattern) {
	pattern = "(^|[ \t])" key "=[^ \t]+"
	if (!match(options, pattern))
		return ""
	options = substr(options, RSTART, RLENGTH)
	sub(/^[^=]*=/, "", options)
	return options
}

FNR == 1 { stanza() }
{ sub(/\r$/, "") }

FILENAME ~ /\.sources$/ {
	if ($0 ~ /^#/)
		next
	if ($0 ~ /^[ \t]*$/) {
		stanza()
	} else if ($0 ~ /^[ \t]/) {
		field[name] = field[name] " " $0
	} else {
		name = tolower(trim(substr($0, 1, index($0, ":") - 1)))
		field[name] = substr($0, index($0, ":") + 1)
	}
	next
}

$1 == "deb" || $1 == "deb-src" {
	sub(/#.*/, "")
	options = ""
	if (match($0, /\[[^\]]*\]/)) {
		options = substr($0, RSTART + 1, RLENGTH - 2)
		$0 = substr($0, 1, RSTART - 1) " " substr($0, RSTART + RLENGTH)
	}
	parts = ""
	for (i = 4; i <= NF; i++)
		parts = parts " " $i
	emit($2, $3, parts, option(options, "signed-by"), option(options, "trusted"),
		option(options, "check-valid-until"))
}

END { stanza() }
