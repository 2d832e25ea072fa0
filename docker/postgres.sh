#!/bin/sh
# Make the cluster at first start, then serve the stack's own network. Trust authentication: a trial stack, no published port.
set -eu
if [ ! -f /data/db/PG_VERSION ]; then
  /opt/pg/bin/initdb -D /data/db -U vanthu --auth=trust -E UTF8 --locale=C --no-instructions >/dev/null
  echo "host all all all trust" >> /data/db/pg_hba.conf
fi
exec /opt/pg/bin/postgres -D /data/db -c listen_addresses='*' -c unix_socket_directories=/tmp
