# The model of a package: section s of n[p]: type, name ("" for anonymous ones), options in order.
# A list holds its values at (p, s, option, 1..length).

function fail(message) {
	if (!quiet) print "uci: " message > "/dev/stderr"
	failed = 1
	return 0
}

# Split text at line from[1..] into words; 0 at the end, -1 where a quote is not closed.
function command(   text, i, c, len, open, inside) {
	split("", word)
	words = 0
	while (1) {
		if (rest == "") {
			if (at > last) return words > 0
			rest = line[at++] "\n"
			if (open == "" && !words && simple(rest)) {
				rest = ""
				if (words) return 1
				continue
			}
		}
		text = rest
		len = length(text)
		for (i = 1; i <= len; i++) {
			c = substr(text, i, 1)
			if (open != "") {
				if (c == open) open = ""
				else if (c == "\\" && open == DQ && i < len) word[words] = word[words] substr(text, ++i, 1)
				else word[words] = word[words] c
			} else if (c == SQ || c == DQ) {
				if (!inside) word[++words] = ""
				inside = 1
				open = c
			} else if (c == "\\") {
				if (i == len - 1) { i = len; continue }
				if (!inside) word[++words] = ""
				inside = 1
				word[words] = word[words] substr(text, ++i, 1)
			} else if (c == "#" && !inside) {
				break
			} else if (c ~ /[ \t\r\n]/) {
				inside = 0
			} else if (c == ";") {
				rest = substr(text, i + 1)
				if (words) return 1
				inside = 0
			} else {
				if (!inside) word[++words] = ""
				inside = 1
				word[words] = word[words] c
			}
		}
		rest = ""
		if (open != "") {
			if (at > last) return -1
			continue
		}
		if (words) return 1
	}
}

# Most lines are words, the last one in quotes perhaps: split them without a look at every letter.
function simple(text,   i, count, part) {
	if (text ~ /^[^"'\\;#]*'[^']*'[ \t\r]*\n$/ && text ~ /^[^']*[ \t]'/) {
		split(text, part, SQ)
		simple(part[1])
		word[++words] = part[2]
		return 1
	}
	if (text ~ /["'\\;#]/) return 0
	count = split(text, part, /[ \t\r\n]+/)
	for (i = 1; i <= count; i++) if (part[i] != "") word[++words] = part[i]
	return 1
}

function slurp(file,   status, text) {
	last = 0
	at = 1
	rest = ""
	split("", line)
	while ((status = (getline text < file)) > 0) line[++last] = text
	close(file)
	return status == 0
}

function named(text) { return text ~ /^[A-Za-z0-9_]+$/ }

function section(p, kind, name) {
	n[p]++
	type[p, n[p]] = kind
	title[p, n[p]] = name
	options[p, n[p]] = 0
	if (name != "") where[p, name] = n[p]
	return n[p]
}

function put(p, s, option, value, listed) {
	if (!((p, s, option) in kind)) {
		options[p, s]++
		opt[p, s, options[p, s]] = option
		size[p, s, option] = 0
	} else if (!listed || kind[p, s, option] != "list") {
		if (!listed) size[p, s, option] = 0
	}
	kind[p, s, option] = listed ? "list" : "option"
	val[p, s, option, ++size[p, s, option]] = value
}

function drop_option(p, s, option,   i, to) {
	for (i = 1; i <= options[p, s]; i++) {
		if (opt[p, s, i] != option) opt[p, s, ++to] = opt[p, s, i]
	}
	options[p, s] = to + 0
	delete kind[p, s, option]
}

function drop_section(p, s) {
	gone[p, s] = 1
	if (title[p, s] != "") delete where[p, title[p, s]]
}

function parse(p, file,   got, s, name) {
	n[p] = 0
	if (!slurp(file)) return fail("Entry not found")
	while ((got = command()) > 0) {
		if (word[1] == "package" || word[1] == "p") continue
		if (word[1] == "config" || word[1] == "c") {
			if (words < 2 || words > 3) return broken("invalid command")
			if (word[2] !~ /^[A-Za-z0-9_-]+$/) return broken("invalid character in name field")
			if (words == 3 && word[3] != "" && !named(word[3])) return broken("invalid character in name field")
			if (words == 3 && (p, word[3]) in where) {
				s = where[p, word[3]]
				if (type[p, s] != word[2]) return broken("section of different type overwrites prior section with same name")
			} else s = section(p, word[2], words == 3 ? word[3] : "")
		} else if (word[1] ~ /^(option|o|list|l)$/) {
			if (words != 3 && words != 2) return broken("too many arguments")
			if (!s) return broken("option/list command found before the first section")
			if (!named(word[2])) return broken("invalid character in name field")
			if (words == 3 && (word[3] != "" || word[1] ~ /^l/)) put(p, s, word[2], word[3], word[1] ~ /^l/)
		} else return broken("invalid command")
	}
	if (got < 0) return broken("unterminated " SQ)
	return 1
}

function broken(why) { return fail("Parse error (" why ") at line " (at - 1) ", byte 1") }

# A reference to sections: @type[i] or a name. 0 where there is none.
function find(p, text,   i, count, wanted, kind_) {
	if (substr(text, 1, 1) != "@") {
		if ((p, text) in where) return where[p, text]
		if (text ~ /^cfg[0-9a-f]+$/) {
			for (i = 1; i <= n[p]; i++) if (!gone[p, i] && title[p, i] == "" && anonymous(p, i) == text) return i
		}
		return 0
	}
	if (!match(text, /\[-?[0-9]+\]$/)) return 0
	kind_ = substr(text, 2, RSTART - 2)
	wanted = substr(text, RSTART + 1, RLENGTH - 2) + 0
	if (wanted < 0) {
		for (i = 1; i <= n[p]; i++) if (!gone[p, i] && type[p, i] == kind_) count++
		wanted += count
		count = 0
	}
	for (i = 1; i <= n[p]; i++) {
		if (!gone[p, i] && type[p, i] == kind_ && count++ == wanted) return i
	}
	return 0
}

function anonymous(p, s) { return cfg(type[p, s], s) }

function cfg(t, s,   hash, i) {
	hash = 5381
	for (i = 1; i <= length(t); i++) hash = (hash * 33 + index(LETTERS, substr(t, i, 1))) % 65536
	return sprintf("cfg%02x%04x", s, hash)
}

function shown(p, s,   i, count) {
	if (title[p, s] != "") return title[p, s]
	if (raw) return anonymous(p, s)
	for (i = 1; i < s; i++) if (!gone[p, i] && type[p, i] == type[p, s]) count++
	return "@" type[p, s] "[" (count + 0) "]"
}

function quoted(text) {
	if (index(text, SQ)) gsub(/'/, SQ "\\" SQ SQ, text)
	return SQ text SQ
}

function values(p, s, option, how,   i, text) {
	for (i = 1; i <= size[p, s, option]; i++)
		text = text (i > 1 ? " " : "") (how ? quoted(val[p, s, option, i]) : val[p, s, option, i])
	return text
}

# Load a package once, with what is staged.
function load(p) {
	if (p in loaded) return loaded[p]
	if (!named(p) && p !~ /^[A-Za-z0-9_-]+$/) return fail("Invalid argument")
	loaded[p] = parse(p, config "/" p)
	if (loaded[p]) replay(p)
	return loaded[p]
}

function replay(p,   prefix, text) {
	if (!slurp(staged "/" p)) return
	while (command() > 0) {
		text = word[1]
		prefix = ""
		if (substr(text, 1, 1) ~ /[-+|~@^]/) { prefix = substr(text, 1, 1); text = substr(text, 2) }
		change(prefix, text)
	}
}

# Change the model as a line of the staging file says; 0 where that is impossible.
function change(prefix, text,   eq, path, value, part, k, p, s) {
	eq = index(text, "=")
	path = eq ? substr(text, 1, eq - 1) : text
	value = eq ? substr(text, eq + 1) : ""
	k = split(path, part, ".")
	p = part[1]
	if (prefix == "+") { section(p, value, ""); return 1 }
	s = find(p, part[2])
	if (k == 2) {
		if (prefix == "-") { if (!s) return fail("Entry not found"); drop_section(p, s); return 1 }
		if (prefix == "^") return s ? 1 : fail("Entry not found")
		if (prefix == "@") { if (!s) return fail("Entry not found"); delete where[p, title[p, s]]; title[p, s] = value; where[p, value] = s; return 1 }
		if (value !~ /^[A-Za-z0-9_-]+$/) return fail("Invalid argument")
		if (s) { type[p, s] = value; return 1 }
		if (!named(part[2])) return fail("Invalid argument")
		section(p, value, part[2])
		return 1
	}
	if (k != 3 || !named(part[3])) return fail("Invalid argument")
	if (!s) return fail("Entry not found")
	if (prefix == "-") {
		if (!((p, s, part[3]) in kind)) return fail("Entry not found")
		drop_option(p, s, part[3])
	} else if (prefix == "|") put(p, s, part[3], value, 1)
	else if (prefix == "~") unlist(p, s, part[3], value)
	else if (value == "") drop_option(p, s, part[3])
	else {
		if ((p, s, part[3]) in kind) size[p, s, part[3]] = 0
		put(p, s, part[3], value, 0)
	}
	return 1
}

# Name a section that was given by its place: places shift.
function resolved(p, text,   path, eq, part, k, s) {
	eq = index(text, "=")
	path = eq ? substr(text, 1, eq - 1) : text
	k = split(path, part, ".")
	if (k < 2 || part[2] !~ /^@/) return text
	s = find(p, part[2])
	if (!s) return text
	return p "." (title[p, s] != "" ? title[p, s] : anonymous(p, s)) (k > 2 ? "." part[3] : "") (eq ? substr(text, eq) : "")
}

function unlist(p, s, option, value,   i, to) {
	if (!((p, s, option) in kind)) return
	for (i = 1; i <= size[p, s, option]; i++)
		if (val[p, s, option, i] != value) val[p, s, option, ++to] = val[p, s, option, i]
	size[p, s, option] = to + 0
	if (!to) drop_option(p, s, option)
}

# Change and stage: the text is written with its value in quotes.
function stage(prefix, text,   eq, p) {
	p = text
	sub(/[.=].*/, "", p)
	if (!load(p)) return 0
	text = resolved(p, text)
	if (!change(prefix, text)) return 0
	eq = index(text, "=")
	if (eq) text = substr(text, 1, eq) quoted(substr(text, eq + 1))
	system("mkdir -p " quoted(staged))
	print prefix text >> (staged "/" p)
	close(staged "/" p)
	return 1
}

function show_section(p, s,   i, option, name) {
	name = p "." shown(p, s)
	print name "=" type[p, s]
	for (i = 1; i <= options[p, s]; i++) {
		option = opt[p, s, i]
		print name "." option "=" values(p, s, option, 1)
	}
}

function show(path,   k, part, s, i) {
	k = split(path, part, ".")
	if (!load(part[1])) return 0
	if (k == 1) {
		for (i = 1; i <= n[part[1]]; i++) if (!gone[part[1], i]) show_section(part[1], i)
		return 1
	}
	s = find(part[1], part[2])
	if (!s) return fail("Entry not found")
	if (k == 2) show_section(part[1], s)
	else if ((part[1], s, part[3]) in kind) print part[1] "." shown(part[1], s) "." part[3] "=" values(part[1], s, part[3], 1)
	else return fail("Entry not found")
	return 1
}

function get(path,   k, part, s) {
	k = split(path, part, ".")
	if (k < 2) return fail("Invalid argument")
	if (!load(part[1])) return 0
	s = find(part[1], part[2])
	if (!s) return fail("Entry not found")
	if (k == 2) print type[part[1], s]
	else if ((part[1], s, part[3]) in kind) print values(part[1], s, part[3], 0)
	else return fail("Entry not found")
	return 1
}

function export(p,   i, j, k, option, text) {
	for (i = 1; i <= n[p]; i++) {
		if (gone[p, i]) continue
		text = text "\nconfig " type[p, i] (title[p, i] != "" ? " " quoted(title[p, i]) : "") "\n"
		for (j = 1; j <= options[p, i]; j++) {
			option = opt[p, i, j]
			for (k = 1; k <= size[p, i, option]; k++)
				text = text "\t" kind[p, i, option] " " option " " quoted(val[p, i, option, k]) "\n"
		}
	}
	return text "\n"
}

function there(file,   text, status) {
	status = (getline text < file)
	close(file)
	return status >= 0
}

function commit(p,   file, new) {
	if (!told) print "uci commit " p >> events
	close(events)
	if (!load(p)) return 0
	if (!there(staged "/" p)) return 1
	file = config "/" p
	new = config "/." p ".uci-" PROCINFO["pid"] int(rand() * 100000)
	if (system("cp -p " quoted(file) " " quoted(new) " 2> /dev/null") != 0 || !write(p, new)) {
		system("rm -f " quoted(new))
		return fail("I/O error")
	}
	system("mv -f " quoted(new) " " quoted(file) " && rm -f " quoted(staged "/" p))
	return 1
}

# Text goes through cat: awk does not tell of a disk that is full.
function write(p, file,   pipe) {
	pipe = "cat > " quoted(file)
	printf "%s", export(p) | pipe
	return close(pipe) == 0
}

function changes(p,   text, prefix, eq) {
	if (!slurp(staged "/" p)) return 1
	while (command() > 0) {
		text = word[1]
		prefix = substr(text, 1, 1)
		if (prefix ~ /[-+|~@^]/) text = substr(text, 2)
		else prefix = ""
		eq = index(text, "=")
		if (prefix == "-") print "-" text
		else print substr(text, 1, eq - 1) (prefix == "|" ? "+=" : prefix == "~" ? "-=" : "=") quoted(substr(text, eq + 1))
	}
	return 1
}

function packages(folder, out,   pipe, text, k) {
	pipe = "ls " quoted(folder) " 2> /dev/null"
	while ((pipe | getline text) > 0) out[++k] = text
	close(pipe)
	return k + 0
}

function each(word_, folder,   list, i, k, ok) {
	k = packages(folder, list)
	ok = 1
	for (i = 1; i <= k; i++) ok = perform2(word_, list[i]) && ok
	return ok
}

function perform2(what, arg) {
	if (what == "show") return show(arg)
	if (what == "commit") return commit(arg)
	if (what == "changes") return changes(arg)
	if (what == "get") return get(arg)
	if (what == "revert") { p_ = arg; sub(/\..*/, "", p_); system("rm -f " quoted(staged "/" p_)); return 1 }
	return 0
}

function import(p,   text, file) {
	file = config "/." p ".import"
	printf "" > file
	while ((getline text < "/dev/stdin") > 0) print text > file
	close(file)
	if (!parse(p, file)) { system("rm -f " quoted(file)); return 0 }
	system("mv -f " quoted(file) " " quoted(config "/" p))
	return 1
}

# Perform word[1..words]; 0 where it fails.
function perform(   what, a, b, s, p) {
	what = word[1]
	a = word[2]
	b = word[3]
	if (what ~ /^(show|commit|changes)$/) {
		if (words < 2) return each(what, what == "show" ? config : staged)
		return perform2(what, a)
	}
	if (what == "get" || what == "revert") return words == 2 ? perform2(what, a) : fail("Invalid argument")
	if (what == "set") return index(a, "=") ? stage("", a) : fail("Invalid argument")
	if (what == "delete" || what == "del") return stage("-", a)
	if (what == "add_list") return index(a, "=") ? stage("|", a) : fail("Invalid argument")
	if (what == "del_list") return index(a, "=") ? stage("~", a) : fail("Invalid argument")
	if (what == "rename") return stage("@", a)
	if (what == "reorder") return stage("^", a)
	if (what == "add") {
		if (words != 3) return fail("Invalid argument")
		if (!load(a)) return 0
		if (!stage("+", a "." cfg(b, n[a] + 1) "=" b)) return 0
		print anonymous(a, n[a])
		return 1
	}
	if (what == "export") {
		if (!load(a)) return 0
		print "package " a
		printf "%s", export(a)
		return 1
	}
	if (what == "import") return import(a)
	if (what == "dump") return dump(a)
	return fail("Invalid argument")
}

# What fw4 reads: one line for each section and value, in order; tabs between the words.
function dump(p,   i, j, k, option, text) {
	if (!load(p)) return 0
	for (i = 1; i <= n[p]; i++) {
		if (gone[p, i]) continue
		print "section\t" type[p, i] "\t" shown(p, i)
		for (j = 1; j <= options[p, i]; j++) {
			option = opt[p, i, j]
			for (k = 1; k <= size[p, i, option]; k++) {
				text = val[p, i, option, k]
				gsub(/[\t\n]/, " ", text)
				print kind[p, i, option] "\t" option "\t" text
			}
		}
	}
	return 1
}

BEGIN {
	SQ = "\047"
	DQ = "\""
	LETTERS = "abcdefghijklmnopqrstuvwxyz_-0123456789"
	srand()
	if (ARGV[1] == "batch") {
		while ((getline text < "/dev/stdin") > 0) input[++inputs] = text
		for (i = 1; i <= inputs; i++) {
			split("", line)
			last = 0
			line[++last] = input[i]
			at = 1
			rest = ""
			if (command() > 0) perform()
		}
		exit 0
	}
	words = ARGC - 1
	for (i = 1; i <= words; i++) word[i] = ARGV[i]
	perform()
	exit failed
}
