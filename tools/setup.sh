# Looks for what ./check, ./test and ./dev need on this computer. Sourced by them.

die() {
    printf '%s: %s\n' "$0" "$*" >&2
    exit 1
}

packages=

# need PACKAGE COMMAND...: where COMMAND fails, Debian's PACKAGE is missing.
need() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || packages="$packages $package"
}

# Installs what is missing where that is possible, or says what to install.
install_missing() {
    [ -n "$packages" ] || return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        printf 'Installing:%s\n' "$packages" >&2
        apt-get update -q >&2
        # shellcheck disable=SC2086 # a list
        DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $packages >&2
    else
        die "something is missing. On Debian: sudo apt-get install$packages"
    fi
}

need_rust() {
    PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin:/usr/sbin
    command -v cargo >/dev/null || die 'cargo is missing. Install Rust: https://rustup.rs'
    need 'gcc libc6-dev' command -v cc
}
