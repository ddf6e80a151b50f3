CREATE TABLE "countersign"."shadow_differences" (
	"decision_id" uuid NOT NULL,
	"candidate_revision" text NOT NULL,
	"live_revision" text NOT NULL,
	"at_ms" bigint NOT NULL,
	"subject" text NOT NULL,
	"action" text NOT NULL,
	"resource" text NOT NULL,
	"connection" text NOT NULL,
	"from_verdict" json NOT NULL,
	"to_verdict" json NOT NULL,
	CONSTRAINT "shadow_differences_candidate_revision_decision_id_pk" PRIMARY KEY("candidate_revision","decision_id")
);
--> statement-breakpoint
CREATE INDEX "shadow_newest" ON "countersign"."shadow_differences" USING btree ("at_ms");--> statement-breakpoint
CREATE INDEX "records_decision" ON "countersign"."records" USING btree ("decision_id") WHERE "countersign"."records"."decision_id" is not null;