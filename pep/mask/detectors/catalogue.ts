import type { BuiltinName } from '../types.ts'
import { anthropicKey, openaiKey } from './ai-keys.ts'
import { awsKey } from './aws-key.ts'
import { azureKey } from './azure-key.ts'
import { creditCard } from './credit-card.ts'
import { email } from './email.ts'
import { iban } from './iban.ts'
import { ipv4, ipv6 } from './ip.ts'
import { jwt } from './jwt.ts'
import type { Detector } from './matcher.ts'
import { phone } from './phone.ts'
import { gitlabToken, sendgridKey, stripeKey, telegramToken } from './platform-keys.ts'
import { privateKey } from './private-key.ts'
import { dockerToken, huggingfaceToken, npmToken, pypiToken } from './registry-tokens.ts'
import { githubToken, googleApiKey, slackToken } from './service-tokens.ts'
import { urlCredentials } from './url-credentials.ts'
import { usSsn } from './us-ssn.ts'

/** The built-in detectors. Where two find the same span, the one named first here gives it its name. */
export const detectors: Readonly<Record<BuiltinName, Detector>> = {
  private_key: privateKey,
  jwt,
  anthropic_key: anthropicKey,
  openai_key: openaiKey,
  github_token: githubToken,
  slack_token: slackToken,
  google_api_key: googleApiKey,
  aws_key: awsKey,
  azure_key: azureKey,
  gitlab_token: gitlabToken,
  npm_token: npmToken,
  pypi_token: pypiToken,
  docker_token: dockerToken,
  huggingface_token: huggingfaceToken,
  stripe_key: stripeKey,
  sendgrid_key: sendgridKey,
  telegram_token: telegramToken,
  url_credentials: urlCredentials,
  email,
  iban,
  credit_card: creditCard,
  us_ssn: usSsn,
  phone,
  ipv4,
  ipv6,
}
