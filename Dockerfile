# One image per service: its own code, shared/, and the dependencies of its own group.
ARG PYTHON=python:3.12-slim

FROM ${PYTHON} AS build
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /app
COPY pyproject.toml uv.lock ./

FROM build AS build-gateway
RUN uv sync --frozen --no-default-groups --group gateway --no-cache

FROM build AS build-mailer
RUN uv sync --frozen --no-default-groups --group mailer --no-cache

FROM ${PYTHON} AS service
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001

FROM service AS gateway
COPY --from=build-gateway /app/.venv .venv
COPY shared shared
COPY services/gateway services/gateway
ENV PILLARBOX_HOST=0.0.0.0
EXPOSE 8080
CMD ["python", "-m", "services.gateway"]

FROM service AS mailer
COPY --from=build-mailer /app/.venv .venv
COPY shared shared
COPY services/mailer services/mailer
CMD ["celery", "-A", "services.mailer.worker", "worker", "-l", "INFO"]
