# One image for every service of docker-compose.yml: the command decides what it is.
FROM python:3.12-slim-bookworm AS build
WORKDIR /opt/heatbook
COPY requirements/uv.lock requirements/run.lock requirements/
RUN python -m venv .venv \
 && .venv/bin/python -m pip install --quiet --require-hashes -r requirements/uv.lock \
 && VIRTUAL_ENV=/opt/heatbook/.venv .venv/bin/uv pip install --compile-bytecode --require-hashes -r requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY protocols protocols
COPY compute compute
COPY ingest ingest
COPY simulators simulators
COPY api api
RUN VIRTUAL_ENV=/opt/heatbook/.venv .venv/bin/uv pip install --no-deps --no-build-isolation -e . \
 && .venv/bin/python -m compileall -q protocols compute ingest simulators api

FROM python:3.12-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/heatbook heatbook
COPY --from=build /opt/heatbook /opt/heatbook
ENV PATH=/opt/heatbook/.venv/bin:$PATH \
    HEATBOOK_DATA=/var/lib/heatbook \
    HEATBOOK_HOST=0.0.0.0 \
    HEATBOOK_LOG_FORMAT=json \
    NUMBA_CACHE_DIR=/var/lib/heatbook/numba
WORKDIR /var/lib/heatbook
USER heatbook
EXPOSE 8765
ENTRYPOINT ["heatbook"]
CMD ["api"]
