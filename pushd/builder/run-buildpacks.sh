#!/bin/bash
# Runs buildpacks over the app in $HOME, as Heroku's buildpack API says, and prints what they print.
#
#   run-buildpacks.sh first|all CACHE_DIR ENV_DIR RESULT_DIR BUILDPACK...
#
# first: the first one that detects the app builds it. all: every one builds, in order.
# RESULT_DIR gets: detected (folder, tab, name; one line each), release (YAML of the last one), report,
# refusals (why packs did not detect), failed (step and buildpack; only after exit 1).
set -u
mode=$1 cache=$2 env=$3 result=$4
shift 4

fail() {
    printf '%s\t%s\n' "$1" "$2" >"$result/failed"
    exit 1
}

for pack in "$@"; do
    folder=${pack##*/}
    if ! name=$("$pack/bin/detect" "$HOME" "$cache" "$env" 2>>"$result/refusals"); then
        [ "$mode" = all ] && fail detect "$folder"
        continue
    fi
    read -r name <<<"$name" # its first line, without blanks around it
    name=${name//$'\t'/ }
    printf '%s\t%s\n' "$folder" "${name:=$folder}" >>"$result/detected"
    printf -- '-----> %s app detected\n' "$name"
    "$pack/bin/compile" "$HOME" "$cache" "$env" || fail compile "$name"
    if [ -x "$pack/bin/report" ]; then
        "$pack/bin/report" "$HOME" "$cache" "$env" >>"$result/report" || true
    fi
    if [ -x "$pack/bin/release" ]; then
        "$pack/bin/release" "$HOME" >"$result/release" || fail release "$name"
    fi
    [ "$mode" = first ] && exit 0
    if [ -f "$pack/export" ]; then
        set +u
        . "$pack/export"
        set -u
    fi
done
[ "$mode" = all ] || fail detect any
