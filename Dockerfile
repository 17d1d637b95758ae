FROM python:3.11-slim AS nudge

WORKDIR /nudge
COPY requirements.lock .
RUN pip install --no-cache-dir --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY engine engine
COPY plugins plugins
COPY migrations migrations
COPY service service
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
    && useradd --system --uid 10001 nudge \
    && install -d -o nudge /data /var/cache/nudge

# From here on the installed package counts, not the sources beside it.
WORKDIR /data
USER nudge
ENV NUDGE_DATA_DIR=/data NUDGE_CACHE_DIR=/var/cache/nudge PYTHONUNBUFFERED=1

# Kernels are compiled here, for the kind of processor that they are named after: x86-64-v3 is nearly
# every server and PC since about 2015. No features besides, or those of the machine that builds this
# image would be used. Whoever knows where it will run may name another kind: --build-arg CPU=….
FROM nudge AS amd64
ARG CPU=x86-64-v3
ENV NUMBA_CPU_NAME=$CPU NUMBA_CPU_FEATURES=
RUN nudge warm

# ARM has no such common name: kernels are compiled when a container starts, for the processor there.
FROM nudge AS arm64

FROM ${TARGETARCH:-amd64}
EXPOSE 8000
# SIGINT lets a running job write its checkpoint; see docker-compose.yml for how long it may take.
STOPSIGNAL SIGINT
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/api/v1/health/live', timeout=2)"]
CMD ["nudge", "serve"]
