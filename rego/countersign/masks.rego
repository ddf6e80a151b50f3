package countersign.decision

import data.countersign.lib.match

# METADATA
# description: masks.yaml, without those the subject is excepted from.
configured_masks := [entry.mask |
	some entry in here.masks
	not match.exempt(entry)
]
