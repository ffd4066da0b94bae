# Debian's PostgreSQL, which takes the settings of the image postgres that the stack gives it.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql >/dev/null && rm -rf /var/lib/apt/lists/* \
    && ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/ 2>/dev/null; \
    install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data
ENV PGDATA=/var/lib/postgresql/data
COPY postgres-entrypoint /usr/local/bin/
ENTRYPOINT ["sh", "/usr/local/bin/postgres-entrypoint"]
