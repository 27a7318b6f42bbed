# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts beside it, which source it: raising to root, steps with progress, builds.

root=$(cd "$(dirname "$0")/.." && pwd)
logs=$root/build-logs

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# become_root "$@": namespaces, ports and packages need root.  Comes back as root or not at all.
become_root() {
	[ "$(id -u)" != 0 ] || return 0
	command -v sudo >/dev/null 2>&1 ||
		die "needs root, and there is no sudo here: run it as root (su -c '$0 $*')"
	say "$(basename "$0"): needs root, asking sudo"
	exec sudo --preserve-env=CULVERT_BUILD,DEBIAN_MIRROR,FUZZ_SECONDS,INTEROP_JOBS,PYTEST_ARGS,CI -- "$0" "$@"
}

# as_owner COMMAND…: as the user who called sudo, so that builds do not leave root's files in their clone.
as_owner() {
	if [ -n "${SUDO_UID:-}" ] && [ "$(stat -c %u "$root")" = "$SUDO_UID" ]; then
		HOME=$(getent passwd "$SUDO_UID" | cut -d: -f6) \
			setpriv --reuid="$SUDO_UID" --regid="$SUDO_GID" --init-groups -- "$@"
	else
		"$@"
	fi
}

make_logs() { as_owner mkdir -p "$logs"; }

# step SECONDS "What is going on" COMMAND…: quiet, output in build-logs/; elapsed time shown while it runs, the
# end of the log if it fails or does not end within SECONDS.
step() {
	_limit=$1 _what=$2
	shift 2
	make_logs
	_log=$logs/$(printf %s "$_what" | tr -cs 'A-Za-z0-9' - | sed 's/^-*//; s/-*$//').log
	_t0=$(date +%s)
	( "$@" ) >"$_log" 2>&1 </dev/null &
	_pid=$!
	_shown=0
	while kill -0 "$_pid" 2>/dev/null; do
		_t=$(($(date +%s) - _t0))
		if [ -t 1 ]; then
			printf '\r  %-58s %4ds ' "$_what" "$_t"
		elif [ $((_t - _shown)) -ge 30 ]; then
			printf '  %-58s %4ds …\n' "$_what" "$_t"
			_shown=$_t
		fi
		if [ "$_t" -ge "$_limit" ]; then
			end_tree "$_pid"
			echo "*** no end after $_limit s" >>"$_log"
		fi
		sleep 0.2
	done
	_rc=0
	wait "$_pid" || _rc=$?
	_t=$(($(date +%s) - _t0))
	[ -t 1 ] && printf '\r'
	if [ "$_rc" = 0 ]; then
		printf '  %-58s %4ds  ok\n' "$_what" "$_t"
		return 0
	fi
	printf '  %-58s %4ds  FAILED\n' "$_what" "$_t"
	tail -n "${STEP_TAIL:-40}" "$_log" | sed 's/^/    | /'
	say "    (all of it: ${_log#"$root"/})"
	return "$_rc"
}

# end_tree PID: a process and what it started, children last so that none is orphaned before it is seen.
end_tree() {
	for _c in $(ps -o pid= --ppid "$1" 2>/dev/null); do
		end_tree "$_c"
	done
	kill "$1" 2>/dev/null || :
}

# configure DIR MESON-OPTIONS…: a build directory, made anew when it cannot be used as it is.
configure() {
	_dir=$root/$1
	shift
	if [ -e "$_dir/build.ninja" ]; then
		as_owner meson setup --reconfigure "$_dir" "$root" "$@" && return 0
		rm -rf "$_dir"
	fi
	as_owner meson setup "$_dir" "$root" "$@"
}

# build DIR MESON-OPTIONS…
build() {
	configure "$@" && as_owner ninja -C "$root/$1" -j "$(nproc)"
}

# Debian's Python: scapy and pytest are packaged for that one, whatever comes first in PATH.
python() { PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$root/tests /usr/bin/python3 "$@"; }
