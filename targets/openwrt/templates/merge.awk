# merge.awk OURS RS="\001" CONFIG: prints CONFIG with our sections (those whose names begin with
# "passthru_") replaced by the sections of OURS, and into the file base, if named, what it has read of
# CONFIG: nothing less than all, or one must not go on. CONFIG is one record, so that the last
# newline is seen. The same rules as merge.py; only POSIX awk, no single quote may stand in here.

function walk(text, i,   n, c) {
	n = length(text)
	more = 0
	for (; i <= n; i++) {
		c = substr(text, i, 1)
		if (c == "\\" && open != SQ) {
			if (i == n || substr(text, i + 1) == "\r") { more = 1; return }
			word[words] = word[words] substr(text, ++i, 1)
			inside = 1
		} else if (open != "") {
			if (c == open) open = ""
			else word[words] = word[words] c
		} else if (c == SQ || c == DQ) {
			open = c
			inside = 1
		} else if (c == "#") {
			return
		} else if (c == ";") {
			refused = 1
		} else if (c ~ /[ \t\r\013\014]/) {
			words += inside
			inside = 0
		} else {
			word[words] = word[words] c
			inside = 1
		}
	}
	more = (open != "")
}

function begin(text) {
	first = lines
	sub(/^[ \t\r\013\014]+/, "", text)
	blank = (text == "" || substr(text, 1, 1) == "#")
	if (blank) return
	split("", word)
	words = 1
	inside = 0
	# most lines need no look at every letter
	if (text ~ /["\\;#\047]/) walk(text, 1)
	else {
		split(text, word, /[ \t\r\013\014]+/)
		more = 0
	}
}

function finish(   i) {
	if (word[1] == "c" || word[1] == "config") {
		ours = (substr(word[3], 1, 9) == "passthru_")
		if (ours && first > last + 1 && (line[first - 1] == "" || line[first - 1] == "\r"))
			drop[first - 1] = 1
		if (!ours && anchor < 0 && (word[2] == "rule" || word[2] == "redirect"))
			anchor = other
	}
	if (ours) for (i = first; i <= lines; i++) drop[i] = 1
	else other = lines
	last = lines
}

BEGIN {
	SQ = "\047"
	DQ = "\""
	anchor = -1
	other = last = lines = more = ours = 0
}

FILENAME == ARGV[1] {
	if (block != "" || $0 == "") block = block $0 "\n"
	next
}

{ whole = whole (FNR > 1 ? RS : "") $0 }

function take(text) {
	line[++lines] = text
	if (more) walk(text, 1)
	else begin(text)
	if (!more && !blank) finish()
}

END {
	if (base != "") printf "%s", whole > base
	count = split(whole, all, "\n")
	eol = (all[count] == "")
	for (at = 1; at <= count - eol; at++) take(all[at])
	if (more && open == "") finish()
	if (refused) exit 3
	if (anchor < 0) anchor = lines
	if (anchor == 0) printf "%s", block
	for (i = 1; i <= lines; i++) {
		if (!(i in drop)) printf "%s%s", line[i], (i < lines || eol || (i == anchor && block != "")) ? "\n" : ""
		if (i == anchor) printf "%s", block
	}
}
