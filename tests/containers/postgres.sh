#!/usr/bin/env bash
# Starts Debian's postgres as the official image does: a new folder gets the user, the database and the password.
set -euo pipefail
data=/var/lib/postgresql/data
bin=$(pg_config --bindir 2>/dev/null || dirname /usr/lib/postgresql/*/bin/initdb)
ln -sf "$bin/pg_isready" /usr/local/bin/pg_isready
chown postgres: "$data"
as_postgres() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }
if [ ! -e "$data/PG_VERSION" ]; then
  install --owner postgres --mode 600 /dev/null /tmp/password
  printf '%s' "$POSTGRES_PASSWORD" > /tmp/password
  as_postgres "$bin/initdb" --pgdata "$data" --username "$POSTGRES_USER" --auth scram-sha-256 --pwfile /tmp/password >/dev/null
  rm /tmp/password
  echo 'host all all all scram-sha-256' >> "$data/pg_hba.conf"
  echo "create database \"$POSTGRES_DB\"" | as_postgres "$bin/postgres" --single -D "$data" postgres >/dev/null
fi
exec setpriv --reuid postgres --regid postgres --init-groups \
  "$bin/postgres" -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp
