#!/usr/bin/env bash
# Run the published linters for agent configuration. No output and exit code 0 if they find nothing, 1 on any error or warning.
# Usage: .awos/scripts/lint_agents.sh [ENVIRONMENT]   (default .venv-agents; another repository: ROOT=folder)
set -euo pipefail

root=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
environment=$(cd "$root" && realpath "${1:-.venv-agents}")
bin=$environment/bin
schema=.awos/scripts/settings.schema.json
cd "$root"

status=0

# run NAME COMMAND...: show the output of a linter only if it fails
run() {
  local name=$1 output
  shift
  if ! output=$("$@" 2>&1); then
    printf '%s found:\n%s\n' "$name" "$output" >&2
    status=1
  fi
}

# skilllint exits with 0 on warnings, but one of its warnings is about front matter that Claude Code cannot parse
skilllint() {
  local output
  output=$("$bin/skilllint" check --check --no-color "$@") || { echo "$output"; return 1; }
  if grep -q WARN <<<"$output"; then
    echo "$output"
    return 1
  fi
}

for tool in agnix skillsaw skilllint check-jsonschema; do
  if [[ ! -x $bin/$tool ]]; then
    echo "lint_agents: $bin/$tool is missing; \`make docs-check\` installs it" >&2
    exit 2
  fi
done

shopt -s nullglob globstar
# a list of files, because skilllint skips .claude/commands when it gets folders
files=(.claude/agents/**/*.md .claude/commands/**/*.md .awos/commands/**/*.md)

run agnix "$bin/agnix" --strict --target claude-code .
run skillsaw "$bin/skillsaw" lint --strict --no-progress --no-color --no-plugins .
((${#files[@]} == 0)) || run skilllint skilllint "${files[@]}"
run check-jsonschema "$bin/check-jsonschema" --check-metaschema "$schema"
[[ ! -f .claude/settings.json ]] ||
  run check-jsonschema "$bin/check-jsonschema" --schemafile "$schema" .claude/settings.json
exit "$status"
