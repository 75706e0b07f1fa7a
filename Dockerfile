# syntax=docker/dockerfile:1
FROM python:3.11-slim AS build

ENV UV_COMPILE_BYTECODE=1 \
    UV_CACHE_DIR=/var/cache/uv \
    UV_LINK_MODE=copy \
    UV_PYTHON=/usr/local/bin/python3 \
    UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir --root-user-action=ignore uv==0.13.9

WORKDIR /app
# The dependencies change less often than the code, so they make a layer of their own.
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/var/cache/uv uv sync --frozen --no-dev --no-editable --no-install-project
COPY README.md LICENSE ./
COPY src src
RUN --mount=type=cache,target=/var/cache/uv uv sync --frozen --no-dev --no-editable


FROM python:3.11-slim

ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TKSK_KEY_FILE=/var/lib/tksk/keys
# A new volume on /var/lib/tksk takes over the owner and mode of the folder in the image.
RUN install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/tksk

WORKDIR /app
COPY --from=build /app/.venv .venv
COPY alembic.ini ./
COPY migrations migrations

USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=4)"]
# Migrations are a command of their own, `tksk migrate`, run before the new version is started.
CMD ["tksk", "serve", "--host", "0.0.0.0", "--port", "8000"]
