/** Names of the Messages API that this PEP knows. What is not here is a fact of its own, for policy to judge. */

/** Fields of a request whose use is seen by other facts, or that only shape the reply. */
export const knownFields: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'system',
  'tools',
  'tool_choice',
  'max_tokens',
  'metadata',
  'stop_sequences',
  'stream',
  'temperature',
  'top_k',
  'top_p',
  'thinking',
  'service_tier',
  'betas',
  'mcp_servers',
  'container',
  'context_management',
  'compaction',
  'cache_control',
  'output_config',
  'output_format',
  'inference_geo',
  'speed',
  'diagnostics',
  'fallbacks',
  'fallback_credit_token',
  'thread',
  'billing_policy',
  'user_profile_id',
  'workspace_id',
])

/** Fields that make the provider run, keep or route something beyond this request. */
export const providerFields: readonly string[] = [
  'container',
  'fallbacks',
  'thread',
  'billing_policy',
  'user_profile_id',
  'workspace_id',
]

/** Block types whose text is read, at any depth. */
export const inspectedBlocks: ReadonlySet<string> = new Set([
  'text',
  'thinking',
  'tool_use',
  'tool_result',
  'search_result',
  'server_tool_use',
  'mcp_tool_use',
  'mcp_tool_result',
  'mcp_tool_listing',
  'tool_reference',
  'tool_addition',
  'tool_removal',
  'compaction',
  'fallback',
  'web_search_tool_result',
  'web_search_result',
  'web_search_tool_result_error',
  'web_fetch_tool_result',
  'web_fetch_result',
  'web_fetch_tool_result_error',
  'code_execution_tool_result',
  'code_execution_result',
  'code_execution_tool_result_error',
  'code_execution_output',
  'bash_code_execution_tool_result',
  'bash_code_execution_result',
  'bash_code_execution_tool_result_error',
  'bash_code_execution_output',
  'text_editor_code_execution_tool_result',
  'text_editor_code_execution_tool_result_error',
  'text_editor_code_execution_view_result',
  'text_editor_code_execution_create_result',
  'text_editor_code_execution_str_replace_result',
  'tool_search_tool_result',
  'tool_search_tool_search_result',
  'tool_search_tool_result_error',
  'advisor_tool_result',
  'advisor_result',
  'advisor_tool_result_error',
])

/** Block types that are known, and that nothing here looks into. */
export const opaqueBlocks: ReadonlySet<string> = new Set([
  'image',
  'redacted_thinking',
  'container_upload',
  'encrypted_code_execution_result',
  'advisor_redacted_result',
])

/** Tool types that the client runs, without their dates. All others are taken to run at the provider. */
export const clientTools: ReadonlySet<string> = new Set([
  'custom',
  'bash',
  'text_editor',
  'computer',
  'memory',
  'browser_toolset',
  'computer_toolset',
])
