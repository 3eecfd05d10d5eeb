# Where builds must be repeatable, pin both by digest: --build-arg NODE_IMAGE=node:24.21.0-bookworm-slim@sha256:...
# docs/adr/0022-image.md tells why there are two.
ARG NODE_IMAGE=node:24.21.0-bookworm-slim
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

# The Node that ships, of the platform that is built for.
FROM ${NODE_IMAGE} AS node

# The program is the same on every platform, so it is built on the one that builds.
FROM --platform=${BUILDPLATFORM} ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts ./scripts
COPY src ./src
# Straight by the image's Node: npm scripts would run the one that the lockfile brings.
RUN node scripts/build.ts \
 # What importers need, a container doesn't.
 && rm -r dist/types dist/index.js dist/index.js.map

# The runtime stage copies from here, so no image is made of what doesn't answer.
FROM build AS tested
RUN node dist/ai-ticket.js --version \
 && node scripts/demo.ts "Summarise open tickets"

FROM ${RUNTIME_IMAGE}
ARG RUNTIME_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ai-ticket" \
      org.opencontainers.image.description="A service in front of self-hosted language models: events in, one structured answer out." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${RUNTIME_IMAGE}"
ENV NODE_ENV=production \
    AI_TICKET_HOST=0.0.0.0
WORKDIR /app
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY package.json LICENSE ./
# The program is one bundle: it needs no node_modules.
COPY --from=tested /app/dist ./dist
# By number, so that Kubernetes can tell that it isn't root.
USER 65532:65532
EXPOSE 5000
# It asks on PORT, and gives up by itself before Docker would end it, so that its words are kept: see `docker inspect`.
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s --retries=3 \
  CMD ["node", "/app/dist/ai-ticket.js", "health", "--timeout", "5"]
# Node is the first process and gets the signals itself: there is no shell. The options make it quicker and halve its
# memory under load: see docs/performance.md.
ENTRYPOINT ["node", "--no-maglev", "--max-inlined-bytecode-size=1000", "--max-inlined-bytecode-size-cumulative=3000", "--min-inlining-frequency=0.05", "--v8-pool-size=2", "--max-semi-space-size=6", "--heap-growing-percent=80", "--no-parallel-scavenge", "--no-allocation-site-pretenuring", "/app/dist/ai-ticket.js"]
CMD ["serve"]
