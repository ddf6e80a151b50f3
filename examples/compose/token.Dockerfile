# The image of Countersign and one script. Build context: the root of the repository.
FROM node:26-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:26-slim
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY identity ./identity
COPY examples/compose/keep-token.ts ./examples/compose/keep-token.ts
RUN install --directory --owner=node --group=node --mode=0750 /run/token
USER 1000:1000
