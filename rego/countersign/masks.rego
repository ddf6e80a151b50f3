package countersign.decision

import data.countersign.lib.match

# METADATA
# description: |
#   masks.yaml, without those the subject is excepted from. A tool call stands in a reply: what masks say of requests
#   was done to the request.
configured_masks := [entry.mask |
	some entry in here.masks
	concerns(entry.mask.where)
	not match.exempt(entry)
]

concerns("response")

concerns("request") if input.action.name != "anthropic.tool_use"
