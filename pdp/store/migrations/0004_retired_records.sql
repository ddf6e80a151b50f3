-- Records from before there was a log of leaves. Kept for who wants to look, and no longer read.
ALTER TABLE "countersign"."records" RENAME TO "records_before_evidence";
