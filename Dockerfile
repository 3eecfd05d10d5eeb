# syntax=docker/dockerfile:1

# Pin it by digest where builds must be repeatable: --build-arg NODE_IMAGE=node:24-bookworm-slim@sha256:...
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts ./scripts
COPY src ./src
RUN npm run build

FROM ${NODE_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ai-ticket" \
      org.opencontainers.image.description="A service in front of self-hosted language models: events in, one structured answer out." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production \
    AI_TICKET_HOST=0.0.0.0
WORKDIR /app
COPY package.json LICENSE ./
# The program is one bundle: it needs no node_modules.
COPY --from=build /app/dist ./dist
USER node
EXPOSE 5000
# It gives up by itself before Docker would end it, so that its words are kept: see `docker inspect`.
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s --retries=3 \
  CMD node /app/dist/ai-ticket.js health --timeout 5 --server-url "http://127.0.0.1:${PORT:-5000}" || exit 1
# Node is the first process and gets the signals itself. The three options halve its memory under load: see
# docs/performance.md.
ENTRYPOINT ["node", "--max-semi-space-size=8", "--heap-growing-percent=20", "--no-parallel-scavenge", "/app/dist/ai-ticket.js"]
CMD ["serve"]
