# Ends with 0 if each folder named on the command line can be written and emptied by this user.
set -u
status=0
for folder in "$@"; do
  if probe=$(mktemp -d "$folder/.probe-XXXXXX") && rmdir "$probe"; then
    echo "$folder can be written by user $(id -u)"
  else
    echo "$folder cannot be written by user $(id -u), group $(id -g): its storage class passes" \
      "over fsGroup; have the volume made for 65532:65532 (uid and gid of the class or of mounts)" >&2
    status=1
  fi
done
exit $status
