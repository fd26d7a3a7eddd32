# The image of Millrace: docker build -t millrace .
#
#   docker run --rm -v ./my-project:/project:ro millrace check
#   docker run -d -v ./my-project:/project:ro -p 127.0.0.1:8080:8080 -e KAFKA=… millrace       a worker
#
# The project is mounted at /project; its millrace.yaml needs `http: { host: 0.0.0.0 }`, or the published port leads nowhere.
# With Kafka, a registry and Redis nothing is written to disk: `--read-only` works. What is embedded is written to
# /project/.millrace, which user 1000 must be able to write.
#
# This file could not be built where it was written: there was no Docker engine. Its commands were run by hand, in its
# order, on the same Debian and the same Node (docs/operations.md#the-image says what that leaves open).

# Debian, since lmdb brings prebuilt binaries that were tried against glibc only; Node as in package.json
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# no dependency needs its install script: native ones are prebuilt, and npm's package `node` is this image's Node
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build

FROM node:24.21.0-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
LABEL org.opencontainers.image.title="millrace" \
      org.opencontainers.image.description="Topologies declared in YAML turn Avro events into live features." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/node:24.21.0-bookworm-slim"
ENV NODE_ENV=production
WORKDIR /app
COPY package.json LICENSE ./
# what `millrace init` copies
COPY examples examples
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
WORKDIR /project
# the user `node` of the base image, by number: Kubernetes' runAsNonRoot cannot look names up
USER 1000:1000
EXPOSE 8080
# the process answers; whether its tasks run is /health/ready, which is not cured by a restart
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/health/live').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/dist/main.js"]
CMD ["run"]
