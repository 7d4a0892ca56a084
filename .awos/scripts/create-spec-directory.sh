#!/usr/bin/env bash
# Create the next context/spec/NNN-name/ and print its path, relative to the repository.
# Usage: .awos/scripts/create-spec-directory.sh NAME
set -euo pipefail

fail() {
  echo "create-spec-directory: $1" >&2
  exit 1
}

[[ $# -eq 1 ]] || fail "give one name, for example: create-spec-directory.sh add-traffic-counts"
name=$1
[[ $name =~ ^[a-z][a-z0-9]*(-[a-z0-9]+)*$ ]] ||
  fail "'$name' is not kebab-case; use lower-case letters, digits and single hyphens, and begin with a letter"

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
shopt -s nullglob
highest=0
for folder in context/spec/[0-9][0-9][0-9]-*/; do
  base=$(basename "$folder")
  [[ ${base:4} != "$name" ]] || fail "context/spec/$base is there already; go on with it, or take another name"
  # 10# because a leading zero means octal to bash
  number=$((10#${base:0:3}))
  ((number <= highest)) || highest=$number
done
((highest < 999)) || fail "context/spec/ has used its last number, 999; move finished specs elsewhere"

path=$(printf 'context/spec/%03d-%s' $((highest + 1)) "$name")
mkdir -p context/spec
mkdir "$path"
echo "$path"
