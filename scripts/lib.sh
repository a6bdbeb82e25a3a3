# shellcheck shell=bash disable=SC2034
# What the scripts share: where things are, how they speak, how they find their
# tools. Source it after `set -euo pipefail`; it changes nothing on disk.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Everything that is fetched or built by machine lives outside the tree, in one
# folder that may be deleted at any time. The binary looks in the same place.
cache=${MERGEWAY_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/mergeway}
native=$cache/native
lib=$native/lib

say() { printf '==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
fail() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# usage prints the comment at the top of the running script.
usage() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

# python_folder puts the packages that a file pins into a folder of the cache, where
# nobody else looks for them, and sets $folder to it:
# python_folder KIND NAME REQUIREMENTS [pip's options]
python_folder() {
	local kind=$1 name=$2 requirements=$3 making
	folder=$cache/$kind/$(cat "$requirements" <(python3 --version) | sha256sum | cut -c1-16)
	[[ -d $folder ]] && return
	note "installing $name into $folder"
	making=$folder.$$
	python3 -m pip install --quiet --disable-pip-version-check --no-warn-conflicts "${@:4}" \
		--target "$making" --requirement "$requirements" && mv -T "$making" "$folder"
}

# native_env points go, cgo and the binary at the native parts.
native_env() {
	local search=$lib flag=-L$lib
	[[ -d $lib/nvidia ]] && search+=:$lib/nvidia
	[[ $flag == *[[:space:]]* ]] && flag="'$flag'"
	export CGO_ENABLED=1
	export CGO_LDFLAGS=$flag${EXTRA_LDFLAGS:+ $EXTRA_LDFLAGS}
	export PJRT_PLUGIN_LIBRARY_PATH=$search
	export GOMLX_NO_AUTO_INSTALL=1
	# The Go installer's own folder is often left out of PATH.
	if ! have go && [[ -x /usr/local/go/bin/go ]]; then export PATH=$PATH:/usr/local/go/bin; fi
}
