#!/bin/sh
# The referee's hook, `reference-transaction` of the target: one line in a file beside the repository for each update of
# a ref that Git has committed; nothing of Loopy knows the file. A slow target keeps the pusher waiting for its answer.
[ "$1" = committed ] || exit 0
while read -r old new ref; do
  case "$ref" in
  refs/heads/loopy/* | refs/loopy/*)
    echo "$ref $old $new" >> ../landed.log
    [ -e ../slow ] && sleep 0.4
    ;;
  esac
done
exit 0
