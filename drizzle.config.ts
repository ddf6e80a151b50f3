import { defineConfig } from 'drizzle-kit'

// `npx drizzle-kit generate` writes the next migration from the schema; nothing here connects to a database.
export default defineConfig({
  dialect: 'postgresql',
  schema: './pdp/store/schema.ts',
  out: './pdp/store/migrations',
})
