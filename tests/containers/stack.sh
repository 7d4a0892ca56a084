# What the scripts of this folder share: sourced with `project`, `files` and `profiles` set, in the root of the project. Makes
# `work`, a folder that is removed at the end together with everything that was started.

work=$(mktemp -d)
python3 -m orchestration.container_env "$work/env"

compose() {
  docker compose --progress quiet --project-name "$project" --env-file "$work/env" "${files[@]}" "$@"
}
inside() { compose exec -T "$@"; }
say() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }
fail() { echo "$1" >&2; exit 1; }

# what a container held at most, looked at every few seconds; the kernel's own peak counts cached files too
watch_memory() {
  while sleep 3 && [ -d "$work" ]; do
    docker stats --no-stream --format '{{.Name}} {{.MemUsage}}' || true
  done | awk -v project="$project-" 'index($1, project) == 1 { size = $2 + 0; if ($2 ~ /GiB/) size *= 1024
    if (size > most[$1]) { most[$1] = size; print $1, size; fflush() } }' > "$work/memory"
}

show_memory() {
  docker stats --no-stream --format '{{.Name}} {{.MemUsage}}' | awk -v project="$project-" 'index($1, project) == 1 { print $1, $2, $3, $4 }' \
    | sort > "$work/now"
  awk '{ most[$1] = $2 } END { for (name in most) print name, most[name] }' "$work/memory" | sort > "$work/most"
  join -a 1 -a 2 "$work/now" "$work/most" | column -t
}

finish() {
  status=$?
  trap - EXIT
  if [ "$status" -ne 0 ]; then
    compose ps --all || true
    log=$(mktemp --suffix .log)
    compose logs --no-color > "$log" 2>&1 || true
    echo "$log has what the containers said"
  fi
  compose "${profiles[@]}" down --volumes --remove-orphans --timeout 20 || true
  rm -rf "$work"
  wait "$watching" || true
  say "$([ "$status" -eq 0 ] && echo passed || echo "FAILED with $status")"
  exit "$status"
}
watch_memory &
watching=$!
trap finish EXIT
