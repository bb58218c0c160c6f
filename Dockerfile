# Loopy's worker, beat and Flower; agents' CLIs are yours to add in an image on top of this one.
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/loopy
WORKDIR /src
COPY requirements.image.lock ./
RUN /opt/loopy/bin/pip install --require-hashes -r requirements.image.lock
COPY pyproject.toml README.md LICENSE beat_schedule.py ./
COPY loopy loopy
COPY workers workers
# The lock has what builds the package, too: nothing is fetched without a hash.
RUN /opt/loopy/bin/pip install --no-deps --no-build-isolation . && /opt/loopy/bin/pip check

FROM python:3.11-slim-bookworm
RUN apt-get update \
 && apt-get install --yes --no-install-recommends bubblewrap git openssh-client \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1000 loopy
COPY --from=build /opt/loopy /opt/loopy
ENV PATH=/opt/loopy/bin:$PATH PYTHONUNBUFFERED=1 LOOPY_HOME=/home/loopy/.loopy
USER 1000:1000
WORKDIR /home/loopy
RUN mkdir -m 0700 "$LOOPY_HOME"
VOLUME ["/home/loopy/.loopy"]
# The worker finishes what runs, and claims nothing more.
STOPSIGNAL SIGTERM
CMD ["celery", "--app", "workers.app", "worker", "--loglevel", "INFO"]
