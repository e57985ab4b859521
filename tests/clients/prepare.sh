#!/bin/sh
# Puts the WebSocket clients that nobody here wrote where the interop tests look for them:
# target/clients/python (a venv) and target/clients/node (node_modules). Quick when they are there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}/clients
mkdir -p "$target"

if ! cmp -s "$here/python/requirements.txt" "$target/python/requirements.txt"; then
    python3 -m venv --clear "$target/python"
    "$target/python/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/python/requirements.txt"
    cp "$here/python/requirements.txt" "$target/python/requirements.txt"
fi

if ! cmp -s "$here/node/package-lock.json" "$target/node/prepared-package-lock.json"; then
    mkdir -p "$target/node"
    cp "$here/node/package.json" "$here/node/package-lock.json" "$target/node/"
    npm ci --prefix "$target/node" --ignore-scripts --no-audit --no-fund --silent
    cp "$here/node/package-lock.json" "$target/node/prepared-package-lock.json"
fi
