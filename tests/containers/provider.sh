#!/usr/bin/env bash
# Reads what `data-stack sample serve` prints, and writes a file for docker compose that sets its variables for the services
# named as arguments.
set -euo pipefail
# some versions of compose begin each line of a log with the code that clears a line
variables=$(sed -nE "s/^(\x1b\[2K)?([A-Z][A-Z0-9_]*)=(.*)$/      \2: '\3'/p")
[ -n "$variables" ] || { echo "the sample printed no variables; look at its log" >&2; exit 1; }
echo "services:"
for service in "$@"; do
  printf '  %s:\n    environment:\n%s\n' "$service" "$variables"
done
