#!/bin/sh
# The original's own module and Segue read and write the same buckets; see interop/README.md.
exec "${SEGUE_SOURCE_DIR:-$(dirname "$0")/../..}/interop/run"
