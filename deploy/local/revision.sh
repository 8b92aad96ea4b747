#!/usr/bin/env bash
# revision.sh: prints the revision of this checkout for a build: the short hash of its commit, with
# "-dirty" when its files differ, or the programs have new ones. Without git (a tarball of the
# sources) that is "unknown".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# A tarball that was unpacked inside of another repository is no commit of that one.
if [ -e .git ] && revision=$(git rev-parse --short HEAD 2>/dev/null) &&
    changes=$(git status --porcelain --untracked-files=no 2>/dev/null &&
        git ls-files --others --exclude-standard -- Package.swift Sources services Equipment); then
    printf '%s%s\n' "$revision" "${changes:+-dirty}"
else
    echo unknown
fi
