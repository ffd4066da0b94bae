# Two images, by PART: `cloud` is backend, ingest and the migration step in one (docker-compose.yml says which one a container runs);
# `edge` is the agent on an emulated board, to try the cloud with; a real device has no container (docs/guide/device.md).
# docker build --build-arg PART=edge .
# BASE needs Python 3.11 or newer with venv: python:3.12-slim, or Debian's python3-venv.
ARG BASE=python:3.12-slim
ARG PART=cloud

FROM ${BASE} AS build
# Another package index, where one is used. What is given to this stage is not in the image, nor is the ca.pem that may lie
# in the repository's root: the authorities behind which that index is.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PART
WORKDIR /src
RUN python3 -m venv /opt/dynasplit
# First what is foreign: it changes less than what is ours, and is kept between builds.
COPY pyproject.toml setup.cfg constraints.txt README.md LICENSE ca.pem* ./
RUN if [ -f ca.pem ]; then export PIP_CERT=/src/ca.pem; fi \
    && /opt/dynasplit/bin/pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt ".[${PART}]"
COPY . .
RUN if [ -f ca.pem ]; then export PIP_CERT=/src/ca.pem; fi \
    && /opt/dynasplit/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --force-reinstall . \
    && /opt/dynasplit/bin/pip uninstall --yes --quiet pip setuptools \
    && find /opt/dynasplit -type d -name tests -prune -exec rm -r {} +

FROM ${BASE} AS installed
COPY --from=build /opt/dynasplit /opt/dynasplit
RUN useradd --uid 10001 --user-group --no-log-init --no-create-home --home-dir /var/lib/dynasplit --shell /usr/sbin/nologin dynasplit \
    && install -d -o dynasplit -g dynasplit -m 0750 /var/lib/dynasplit
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
