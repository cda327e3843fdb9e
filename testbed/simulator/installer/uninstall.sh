#!/bin/sh
# Removes this installation of the simulated IB Gateway @VERSION@; settings folders stay.
set -eu
rm -rf "$(cd "$(dirname "$0")" && pwd)"
