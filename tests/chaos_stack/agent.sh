#!/bin/sh
# A scripted agent. $1 says how it behaves, $2 how many seconds it takes. No two tries of it make the same change, so
# that a change which shipped twice shows as two commits.
[ "$1" = stubborn ] && trap '' TERM
[ "$1" = stray ] && setsid sleep 300 </dev/null >/dev/null 2>&1 &
echo "$1 is at work"
sleep "$2"
case "$1-$LOOPY_TURN" in
clumsy-1) echo "the wrong file" > wrong.txt ;;
limited-*)
  echo half > wrong.txt
  echo '{"loopy": "limit", "message": "usage limit reached (scripted)", "resets_in_s": 1}'
  exit 1
  ;;
*) echo "$LOOPY_RUN by process $$ at $(date +%s%N)" > x.txt ;;
esac
[ "$1" != rough ] # exit 1 after good work
