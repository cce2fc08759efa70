# Prints what a test wants to know: records that end with NUL, of a kind and a text.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
record() {
	printf '%s ' "$1"
	shift
	"$@" 2> /dev/null
	printf '\0'
}
pair() {
	printf '%s=' "${1##*/}"
	cat "$1"
}
record log cat "$E/log/events"
record loaded cat "$E/ram/loaded"
for file in "$E"/ram/nvram/*; do
	[ ! -f "$file" ] || record nvram pair "$file"
done
for file in "$E"/flash/nvram/now/*; do
	[ ! -f "$file" ] || record nvram_flash pair "$file"
done
exit 0
