ALTER TABLE "countersign"."sessions" ADD COLUMN "erased_ms" bigint;--> statement-breakpoint
ALTER TABLE "countersign"."shadow_differences" ADD COLUMN "session_id" text;--> statement-breakpoint
CREATE INDEX "shadow_session" ON "countersign"."shadow_differences" USING btree ("session_id");