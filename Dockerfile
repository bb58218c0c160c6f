# Loopy's worker, beat and Flower; agents' CLIs are yours to add in an image on top of this one.
FROM python:3.11-slim-bookworm
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git openssh-client \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1000 loopy
WORKDIR /opt/loopy
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-deps .
USER loopy
ENV LOOPY_HOME=/home/loopy/.loopy
RUN mkdir -m 0700 "$LOOPY_HOME"
VOLUME ["/home/loopy/.loopy"]
CMD ["celery", "--app", "workers.app", "worker", "--pool", "threads", "--events", "--loglevel", "INFO"]
