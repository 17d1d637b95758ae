FROM python:3.11-slim

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
    && install -d -o nudge /data

# From here on the installed package counts, not the sources beside it.
WORKDIR /data
USER nudge
ENV NUDGE_DATA_DIR=/data PYTHONUNBUFFERED=1
EXPOSE 8000
# SIGINT lets a running job write its checkpoint; see docker-compose.yml for how long it may take.
STOPSIGNAL SIGINT
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/api/v1/health/live', timeout=2)"]
CMD ["nudge", "serve"]
