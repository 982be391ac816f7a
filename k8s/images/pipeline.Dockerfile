# Every step of a pipeline, the command `pawlens`, and Beam's workers. `make images` builds it, with
# VARIANT=cpu and with VARIANT=gpu: the same and CUDA's libraries; the driver is the node's.

ARG VARIANT=cpu

FROM ghcr.io/astral-sh/uv:0.13.9 AS uv

FROM apache/beam_python3.11_sdk:2.77.0 AS beam

FROM python:3.11.15-slim-trixie AS base

# What the lock names. Beam's boot asks `python -m pip` what is installed: the base's pip answers.
FROM base AS environment
# pyfarmhash is published as source only. The compiler stays in this stage, so any version will do.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
COPY --from=uv /uv /usr/local/bin/
COPY k8s/images/requirements.lock /build/
# TensorFlow's headers are for building operations in C++: 430 MB that nobody reads here.
RUN --mount=type=cache,target=/root/.cache/uv \
    uv venv --system-site-packages --python /usr/local/bin/python3 /opt/venv \
    && uv pip sync --require-hashes --link-mode copy --python /opt/venv/bin/python \
      /build/requirements.lock \
    && rm -r /opt/venv/lib/python3.11/site-packages/tensorflow/include
# Leaves the bytecode of what steps import, without which each spends 17 seconds more on its start;
# that of everything installed would be twice as large.
RUN /opt/venv/bin/python -c \
    "import tfx.v1, tensorflow_model_analysis, apache_beam, keras_tuner, matplotlib.pyplot"

# Our own code, apart from the environment: another version of it is a small layer.
FROM environment AS project
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY components components
COPY pipelines pipelines
COPY serving serving
RUN uv pip install --offline --no-deps --no-build-isolation --compile-bytecode \
    --python /opt/venv/bin/python --target /app .
COPY k8s/images/check.py /app/

FROM base AS runtime-cpu
ENV HOME=/home/pawlens \
    PATH=/app/bin:/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
RUN groupadd --gid 65532 pawlens \
    && useradd --no-log-init --uid 65532 --gid 65532 --create-home --shell /usr/sbin/nologin pawlens
COPY --from=beam /opt/apache/beam /opt/apache/beam
COPY --from=environment /opt/venv /opt/venv

FROM runtime-cpu AS runtime-gpu
# Which GPUs a container sees is the device plugin's business: NVIDIA_VISIBLE_DEVICES is not ours.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=bind,source=k8s/images/requirements-gpu.lock,target=/mnt/requirements-gpu.lock \
    uv pip install --require-hashes --no-cache --python /opt/venv/bin/python \
      --requirements /mnt/requirements-gpu.lock

# One of the two stages above.
# hadolint ignore=DL3006
FROM runtime-${VARIANT}
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="Pawlens pipeline" \
      org.opencontainers.image.description="Steps of Pawlens' pipelines, and Beam's workers" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=project /app /app
WORKDIR /app
USER 65532:65532
# Without a home no cache is written.
RUN HOME=/nonexistent python check.py
# Beam's runners start this; Kubeflow and Kubernetes name their own command.
ENTRYPOINT ["/opt/apache/beam/boot"]
