#!/bin/sh
# Builds and uploads a release; run by the release engineers from a tag.
set -eu
version=$(git describe --tags --exact-match)
python -m build
python -m twine upload "dist/tinydates-${version#v}"*
