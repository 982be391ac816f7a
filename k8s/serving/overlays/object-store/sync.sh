# Brings the versions of an object store to the pod's disk; `sync.sh once` does it one time.
# TensorFlow Serving loads every folder that is named by a number, whole or not. So a version is
# copied under a hidden name and renamed, and only once its saved_model.pb is there, which the
# pusher uploads last. A version that is gone from the store goes here, too.
set -eu
target=${MODELS_TARGET:-/models}

versions() { # of a model in the store, whole ones only
  files=$(rclone lsf "$MODELS_SOURCE/$1" --recursive --files-only --max-depth 2) || return 1
  echo "$files" | sed -n 's|^\([1-9][0-9]*\)/saved_model.pb$|\1|p'
}

# Every step says what to do when it fails: where a function's status is asked for, `set -e` sleeps.
once() {
  models=$(rclone lsf "$MODELS_SOURCE" --dirs-only) || return 1
  for model in $models; do
    model=${model%/}
    case $model in # as the pusher names models; others would lie elsewhere, or be several
      .* | *[!A-Za-z0-9_.-]*)
        echo "$model in the store is no model's name" >&2
        continue
        ;;
    esac
    wanted=$(versions "$model") || return 1
    # An empty answer may be a store in trouble: what is served stays.
    [ -n "$wanted" ] || continue
    mkdir -p "$target/$model"
    for version in $wanted; do
      [ -e "$target/$model/$version" ] && continue
      rclone copy "$MODELS_SOURCE/$model/$version" "$target/$model/.sync-$version" || return 1
      mv "$target/$model/.sync-$version" "$target/$model/$version" || return 1
      echo "$model version $version is here"
    done
    for folder in "$target/$model"/[1-9]*; do
      version=${folder##*/}
      case " $(echo $wanted) " in *" $version "*) continue ;; esac
      [ -e "$folder" ] || continue
      rm -rf "$folder"
      echo "$model version $version is gone"
    done
  done
}

# The first process of a container ends only by signals that it asks for, and the shell hears of one
# only while it waits for what goes on beside it. The pod's end takes along what is still copied.
trap 'kill $! 2>/dev/null; exit 143' TERM INT
if [ "${1:-}" = once ]; then
  once &
  wait $!
  exit
fi
while true; do
  once &
  wait $! || echo "the object store could not be read; what is here stays" >&2
  sleep "${SYNC_SECONDS:-30}" &
  wait $!
done
