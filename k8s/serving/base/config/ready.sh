# Ends with 0 once every model named on the command line answers. The status page of a model says
# 200 also for one that failed to load; its metadata are there only while a version is live.
# Only what the image of TensorFlow Serving has: bash, no curl.
set -u
for model in "$@"; do
  exec 3<>"/dev/tcp/127.0.0.1/${REST_PORT:-8501}" || exit 1
  printf 'GET /v1/models/%s/metadata HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$model" >&3
  read -r -t 5 _ status _ <&3 || exit 1
  exec 3>&-
  if [ "$status" != 200 ]; then
    echo "model $model is not served: HTTP $status"
    exit 1
  fi
done
