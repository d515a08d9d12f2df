#!/bin/sh
# The unit reads an admin token from a file; a package makes one at the first
# installation. Later installations keep it.
set -eu
token=/etc/callwatch/admin-token
if [ ! -e "$token" ]; then
  mkdir -p /etc/callwatch
  (umask 077 && od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$token")
fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
