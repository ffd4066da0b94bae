# Two images, by PART: `cloud` is backend, ingest and the migration step in one (docker-compose.yml says which one a container runs);
# `edge` is the agent on an emulated board, to try the cloud with; a real device has no container (docs/guide/device.md).
# docker build --build-arg PART=edge .
# BASE needs Python 3.11 or newer with venv: python:3.12-slim, or Debian's python3-venv.
ARG BASE=python:3.12-slim
ARG PART=cloud

# pip has a place of its own, so that it is in no image.
FROM ${BASE} AS pip
# Another package index, where one is used. What is given to this stage is not in the images, nor is the ca.pem that may lie
# in the repository's root: the authorities behind which that index is.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ENV PIP_PYTHON=/opt/dynasplit/bin/python PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/dynasplit
COPY pyproject.toml ca.pem* ./
RUN if [ -f ca.pem ]; then /opt/pip/bin/pip config --global set global.cert /src/ca.pem; fi

# What is foreign changes less than what is ours: as a layer of its own it is kept between builds, and sent to a registry once.
FROM pip AS foreign
ARG PART
COPY setup.cfg constraints.txt LICENSE ./
RUN /opt/pip/bin/pip install --constraint constraints.txt ".[${PART}]" \
    && /opt/pip/bin/pip uninstall --yes --quiet dynasplit \
    && find /opt/dynasplit -type d -name tests -prune -exec rm -r {} +

FROM pip AS ours
COPY . .
RUN /opt/pip/bin/pip install --no-deps --no-warn-script-location --root /ours .

FROM ${BASE} AS installed
RUN useradd --uid 10001 --user-group --no-log-init --no-create-home --home-dir /var/lib/dynasplit --shell /usr/sbin/nologin dynasplit \
    && install -d -o dynasplit -g dynasplit -m 0750 /var/lib/dynasplit
COPY --from=foreign /opt/dynasplit /opt/dynasplit
COPY --from=ours /ours/opt/dynasplit /opt/dynasplit
# The one place that is written to, beside /tmp: the root may be read-only.
WORKDIR /var/lib/dynasplit
USER 10001:10001
ENV PATH=/opt/dynasplit/bin:$PATH HOME=/var/lib/dynasplit PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

FROM installed AS edge
ENV DYNASPLIT_RUN_DIR=/tmp/dynasplit
CMD ["dynasplit-edge", "--config", "/var/lib/dynasplit/edge.toml"]

FROM installed AS cloud
ENV DYNASPLIT_DATA_DIR=/var/lib/dynasplit
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-m", "cloud.healthcheck"]
CMD ["gunicorn", "-c", "python:cloud.gunicorn_conf", "--bind", "0.0.0.0:8000"]

FROM ${PART}
