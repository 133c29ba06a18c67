#!/bin/sh
# The story of make demo: a small spec, the files it becomes, and what a mistake looks like. Writes to a temporary folder.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir .git  # the root of a repository, as far as mlspec is concerned

if [ -f "$here/examples/iris/mlspec.yaml" ]; then
    cp "$here/examples/iris/mlspec.yaml" mlspec.yaml
else
    mlspec init --quiet --yes --name iris
fi

say() { printf '\n$ %s\n' "$*"; }

say cat mlspec.yaml
cat mlspec.yaml
say mlspec compile
mlspec compile 2>&1
say find . -type f
find . -type f | sort
first=$(find deploy -name 'serving-*.yaml' | sort | head -n 1)
if [ -n "$first" ]; then
    say "sed -n 1,40p $first"
    sed -n 1,40p "$first"
fi
say "sed -i 's/model: iris/model: irs/' mlspec.yaml && mlspec validate"
sed 's/model: iris/model: irs/' mlspec.yaml > broken && mv broken mlspec.yaml
mlspec validate 2>&1 || echo "(exit $?; nothing was written)"
