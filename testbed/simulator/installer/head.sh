#!/bin/sh
# Self-extracting installer of the simulated IB Gateway @VERSION@. The archive follows the last line.
set -eu

VERSION='@VERSION@'
MACHINE='@MACHINE@'
LAYOUT='@LAYOUT@'

fail() {
    printf '%s\n' "ibgateway-$VERSION: $1" >&2
    exit 1
}

quiet=
dir=
while [ $# -gt 0 ]; do
    case $1 in
        -q) quiet=yes; shift ;;
        -dir) [ $# -gt 1 ] || fail "-dir wants a folder"; dir=$2; shift 2 ;;
        -h | -help | --help)
            printf '%s\n' "Usage: sh $0 -q -dir DIR" "Installs the simulated IB Gateway $VERSION into DIR."
            exit 0 ;;
        *) fail "unknown option $1; use -q -dir DIR" ;;
    esac
done
[ -n "$quiet" ] || fail "there is no dialog here; use -q -dir DIR"
[ -n "$dir" ] || fail "no folder given; use -q -dir DIR"
[ "$(uname -s)" = Linux ] || fail "this installer is for Linux, this is $(uname -s)"
[ "$(uname -m)" = "$MACHINE" ] || fail "this installer is for $MACHINE, this machine is $(uname -m)"

printf '%s\n' "Unpacking..."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tail -n +@LINES@ "$0" >"$scratch/payload"
printf '%s  %s\n' '@SHA256@' "$scratch/payload" | sha256sum -c --quiet - >/dev/null 2>&1 ||
    fail "the file is damaged or incomplete; download it again"
tar -xzf "$scratch/payload" -C "$scratch"

printf '%s\n' "Extracting files..."
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
cp -R "$scratch/program/." "$dir/"
if [ "$LAYOUT" != none ]; then
    case $LAYOUT in
        program) jre=$dir/jre ;;
        # Shared between installations of one user, as install4j does it.
        *) jre=${HOME:?is not set, and this version keeps its JRE there}/.local/share/i4j_jres/ibgateway-simulator/$VERSION ;;
    esac
    rm -rf "$jre"
    mkdir -p "$jre"
    cp -R "$scratch/jre/." "$jre/"
    [ "$LAYOUT" = program ] || printf '%s\n' "$jre" >"$dir/.install4j/${LAYOUT}_jre.cfg"
fi
printf '%s\n' "Finishing installation..."
exit 0
