# One image per service: its own code, shared/, and the dependencies of its own group.
#
#   make images                        docker, podman or buildah
#   docker build --target gateway .    one of them by hand
ARG PYTHON=python:3.12-slim

FROM ${PYTHON} AS build
# Whoever builds behind a proxy with a certificate authority of its own mounts that authority.
# Bytecode cannot be written later, on a read-only root file system; without it a start takes three times as long.
ENV UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 UV_COMPILE_BYTECODE=1
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /app
COPY pyproject.toml uv.lock ./

# uv takes what uv.lock names and nothing else, and compares its hashes.  The project itself is the
# command line, which no service has any use for: so only groups.
FROM build AS build-gateway
# --build-arg TRACING=1 adds what traces need: see docs/tracing.md.
ARG TRACING=
RUN uv sync --frozen --only-group gateway ${TRACING:+--only-group tracing} --no-cache
RUN uv export --frozen --only-group gateway ${TRACING:+--only-group tracing} --format cyclonedx1.5 --output-file sbom.cdx.json --quiet
COPY shared shared
COPY services/gateway services/gateway
RUN python -m compileall -q shared services

FROM build AS build-mailer
ARG TRACING=
RUN uv sync --frozen --only-group mailer ${TRACING:+--only-group tracing} --no-cache
RUN uv export --frozen --only-group mailer ${TRACING:+--only-group tracing} --format cyclonedx1.5 --output-file sbom.cdx.json --quiet
COPY shared shared
COPY services/mailer services/mailer
RUN python -m compileall -q shared services

FROM build AS build-fake-esp
RUN uv sync --frozen --only-group mailer --only-group fakes --no-cache

FROM ${PYTHON} AS service
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.vendor="Pillarbox" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# By number: Kubernetes cannot tell of a name whether it is root.
USER 10001:10001

FROM service AS gateway
LABEL org.opencontainers.image.title="Pillarbox gateway" \
      org.opencontainers.image.description="Takes e-mail over HTTP and answers at once."
COPY --from=build-gateway /app/.venv .venv
COPY --from=build-gateway /app/sbom.cdx.json ./
COPY --from=build-gateway /app/shared shared
COPY --from=build-gateway /app/services services
ENV PILLARBOX_HOST=0.0.0.0
EXPOSE 8080
CMD ["python", "-m", "services.gateway"]

FROM service AS mailer
LABEL org.opencontainers.image.title="Pillarbox mailer" \
      org.opencontainers.image.description="Delivers e-mail through a provider."
COPY --from=build-mailer /app/.venv .venv
COPY --from=build-mailer /app/sbom.cdx.json ./
COPY --from=build-mailer /app/shared shared
COPY --from=build-mailer /app/services services
CMD ["celery", "-A", "services.mailer.worker", "worker", "-l", "INFO"]

# A provider that sends nothing, to try against; it checks requests with the mailer's own signing.
FROM service AS fake-esp
LABEL org.opencontainers.image.title="Pillarbox fake provider" \
      org.opencontainers.image.description="Answers as a provider does, and sends nothing."
COPY --from=build-fake-esp /app/.venv .venv
COPY shared shared
COPY services/mailer services/mailer
COPY tests/fakes tests/fakes
EXPOSE 9025
ENTRYPOINT ["python", "-m", "tests.fakes"]
CMD ["sendgrid", "--host", "0.0.0.0"]
