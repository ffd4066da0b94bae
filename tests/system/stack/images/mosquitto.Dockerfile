# Debian's Mosquitto where eclipse-mosquitto has it, for its user's number.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends mosquitto >/dev/null && rm -rf /var/lib/apt/lists/* \
    && ln -s "$(dpkg -L mosquitto | grep mosquitto_dynamic_security.so)" /usr/lib/mosquitto_dynamic_security.so \
    && usermod --uid 1883 mosquitto && groupmod --gid 1883 mosquitto \
    && install -d -o 1883 -g 1883 /mosquitto/config /mosquitto/data
CMD ["mosquitto", "-c", "/mosquitto/config/mosquitto.conf"]
