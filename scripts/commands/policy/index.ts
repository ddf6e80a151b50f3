import { Command } from 'commander'
import { backtestCommand } from './backtest.ts'
import { buildCommand } from './build.ts'
import { diffCommand } from './diff.ts'
import { evalCommand } from './eval.ts'
import { explainCommand } from './explain.ts'
import { newCommand } from './new.ts'
import { shadowCommand } from './shadow.ts'
import { testCommand } from './test.ts'
import { verifyCommand } from './verify.ts'

/** `countersign policy …`: the policy author's loop, and what running policy decided. */
export function policyCommand(): Command {
  const policy = new Command('policy').description('write, build, test, compare and explain policy')
  for (const command of [
    newCommand(),
    testCommand(),
    buildCommand(),
    verifyCommand(),
    diffCommand(),
    backtestCommand(),
    evalCommand(),
    explainCommand(),
    shadowCommand(),
  ])
    policy.addCommand(command)
  return policy
}
