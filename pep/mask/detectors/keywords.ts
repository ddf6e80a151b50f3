import { keyword as awsWord } from './aws-key.ts'
import { keyword as azureWord } from './azure-key.ts'

/** Whether a name says what its value is, so that the value has to be looked at behind it. */
export const isKeyword = (name: string): boolean => awsWord.test(name) || azureWord.test(name)
