#!/bin/sh
# Starts the simulated IB Gateway @VERSION@ by hand, without a controller.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
home=$here/jre
for file in "$here/.install4j/pref_jre.cfg" "$here/.install4j/inst_jre.cfg"; do
    if [ -f "$file" ]; then
        home=$(head -n 1 "$file")
        break
    fi
done
java=$home/bin/java
[ -x "$java" ] || java=java
exec "$java" -cp "$here/jars/*" ibgateway.GWClient "${1:-$HOME/Jts}"
