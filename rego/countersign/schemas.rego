# METADATA
# title: Shapes of what every policy below reads
# description: A name that is not in the schema fails `opa check`.
# scope: subpackages
# schemas:
#   - input: schema.input
#   - data.countersign.decision.here: schema.connection
package countersign
