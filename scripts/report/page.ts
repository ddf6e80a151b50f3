import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Cell, Column, Figure, Report } from '../../pdp/store/report/figure.ts'
import { grouped, heading, texts, utc } from './cells.ts'
import { charts, figureNamed, namedRows } from './charts.ts'
import { type Html, html, NOTHING, trusted } from './html.ts'

/**
 * A report as one HTML page that needs nothing else: no script, nothing from elsewhere, and a policy that allows neither.
 * What others wrote is in it as text alone. On paper the queries are an appendix.
 */
export function reportPage(report: Report): string {
  const style = readFileSync(join(import.meta.dirname, 'page.css'), 'utf8')
  // Over exactly what stands between the tags.
  const digest = createHash('sha256').update(style).digest('base64')
  const policy = `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'`
  const title = `Evidence report, ${span(report)}`
  const page = html`<!doctype html>
    <html lang="en">
      <meta charset="utf-8" />
      <meta http-equiv="Content-Security-Policy" content="${policy}" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <meta name="referrer" content="no-referrer" />
      <title>${title}</title>
      ${trusted(`<style>${style}</style>`)}
      <body>
        <header>
          <p class="brand">Countersign</p>
          <h1>Evidence report</h1>
          <p class="span">${span(report)} UTC</p>
          ${logOf(report)}
        </header>
        ${summary(report)} ${contents(report)}
        <main>
          ${report.sections.map(
            ({ title: name, figures }, at) =>
              html`<section>
                <h2 id="section-${at + 1}">${at + 1}. ${name}</h2>
                ${figures.map((figure) => figureOf(figure))}
              </section>`,
          )}
          ${notSaid()}
        </main>
        ${appendix(report)}
      </body>
    </html> `
  return page.markup
}

const span = ({ period }: Report): string => `${utc(period.from_ms)} to ${utc(period.to_ms)}`

function logOf({ log, made_ms }: Report): Html {
  const { checkpoint } = log
  return html`<dl class="log">
    <div>
      <dt>Made</dt>
      <dd>${utc(made_ms)} UTC</dd>
    </div>
    <div>
      <dt>Log</dt>
      <dd>
        ${grouped(log.size)}
        leaves${log.size > 0 ? `, the newest taken ${utc(log.logged_ms)} UTC` : ''}
      </dd>
    </div>
    <div>
      <dt>Newest checkpoint</dt>
      <dd>
        ${
          checkpoint
            ? html`${grouped(checkpoint.size)} leaves, signed ${utc(checkpoint.at_ms)} UTC, root
                <code>${checkpoint.root}</code>`
            : html`none yet`
        }
      </dd>
    </div>
  </dl>`
}

const sum = (report: Report, figure: string, column: string): number =>
  namedRows(report, figure).reduce((total, row) => {
    const value = row[column]
    return total + (typeof value === 'number' ? value : 0)
  }, 0)

const countOf = (report: Report, figure: string, column: string, value: Cell): number =>
  namedRows(report, figure).filter((row) => row[column] === value).length

function summary(report: Report): Html {
  // What, how many, the figure that says so, and where it leads.
  const tiles: readonly (readonly [string, number, string, string?])[] = [
    [
      'operations',
      sum(report, 'days', 'forwarded') +
        sum(report, 'days', 'released') +
        sum(report, 'days', 'refused'),
      'days',
      'accesses',
    ],
    ['denied by policy', sum(report, 'days', 'denied'), 'days', 'denials'],
    ['values masked', sum(report, 'masked', 'masked'), 'masked'],
    ['approvals', figureNamed(report, 'approvals')?.rows.length ?? 0, 'approvals'],
    ['unmaskings', countOf(report, 'unmaskings', 'allowed', true), 'unmaskings'],
    ['times without a recorder', figureNamed(report, 'gaps')?.rows.length ?? 0, 'gaps'],
  ]
  return html`<section class="summary" aria-label="Summary">
    <ul class="tiles">
      ${tiles.map(
        ([name, count, figure, place = figure]) =>
          html`<li>
            <a href="#${place}"
              ><b
                >${grouped(count)}${figureNamed(report, figure)?.truncated === true ? ' or more' : ''}</b
              >
              ${name}</a
            >
          </li>`,
      )}
    </ul>
    ${charts(report)}
  </section>`
}

function contents(report: Report): Html {
  return html`<nav aria-label="Contents">
    <h2>Contents</h2>
    <ol>
      ${report.sections.map(
        ({ title, figures }, at) =>
          html`<li>
            <a href="#section-${at + 1}">${title}</a>
            <ul>
              ${figures.map(
                ({ name, title: text, rows, truncated }) =>
                  html`<li>
                    <a href="#${name}">${text}</a>
                    <span class="rows"
                      >${truncated ? 'more than ' : ''}${grouped(rows.length)}</span
                    >
                  </li>`,
              )}
            </ul>
          </li>`,
      )}
      <li><a href="#not-said">What this report does not say</a></li>
    </ol>
  </nav>`
}

function figureOf(figure: Figure): Html {
  const { name, title, about, rows, truncated } = figure
  return html`<article id="${name}">
    <h3>${title}</h3>
    <p class="about">${about}</p>
    ${truncated ? html`<p class="cut">There are more rows than the ${grouped(rows.length)} shown. Ask for a shorter time, or run the query without its limit.</p>` : NOTHING}
    ${rows.length > 0 ? tableOf(figure) : truncated ? NOTHING : html`<p class="none">None in this period.</p>`}
    <details>
      <summary>Query</summary>
      ${queryOf(figure)}
    </details>
  </article> `
}

const queryOf = ({ sql, parameters }: Figure): Html =>
  html`<p class="parameters">
      $1 = ${parameters[0]}, $2 = ${parameters[1]} (milliseconds since the epoch)
    </p>
    <pre>${sql.split('\n').map((line) => html`${line}${trusted('\n')}`)}</pre>`

function tableOf({ columns, rows, title }: Figure): Html {
  return html`<div class="scroll" role="region" aria-label="${title}" tabindex="0">
    <table>
      <thead>
        <tr>
          ${columns.map(
            (column) => html`<th scope="col" class="${column.type}">${heading(column)}</th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${columns.map((column, at) => cellOf(row[at] ?? null, column))}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`
}

function cellOf(cell: Cell, column: Column): Html {
  const all = texts(cell, column)
  const content =
    column.type === 'list' && all.length > 1
      ? html`<ul>
          ${all.map((one) => html`<li><bdi>${one}</bdi></li>`)}
        </ul>`
      : html`<bdi>${all.join('')}</bdi>`
  return html`<td class="${column.type} ${column.name.replaceAll('_', '-')}">${content}</td>`
}

function notSaid(): Html {
  return html`<section>
    <h2 id="not-said">What this report does not say</h2>
    <ul class="plain">
      <li>
        It states figures of the log. Whether they satisfy a law, a standard or a contract is not
        for it to say, and it claims compliance with nothing.
      </li>
      <li>
        Agents that do not go through an enforcement point leave no leaf. A time without leaves is
        quiet or an absence; the gaps tell which, as far as enforcement points gave signs of life.
      </li>
      <li>
        Times are by the clock of who reports: enforcement points for what agents did, the decision
        service for the rest.
      </li>
      <li>
        It was made by the decision service from its database. That the log is whole is proven by
        <code>countersign evidence verify</code> on an export, against a checkpoint that was kept
        elsewhere.
      </li>
      <li>
        No content is in it: no prompts, replies, commands or paths. Reasons are as people wrote
        them.
      </li>
      <li>
        Anchors and collectors that failed are not in the log; the service's own metrics and logs
        tell of them.
      </li>
    </ul>
  </section>`
}

/** For paper, where nothing folds out. */
function appendix(report: Report): Html {
  const figures = report.sections.flatMap((section) => section.figures)
  return html`<section class="appendix">
    <h2>Appendix: the queries</h2>
    ${
      report.log.checkpoint
        ? html`<h3>The checkpoint</h3>
            <pre>
${report.log.checkpoint.note.split('\n').map((line) => html`${line}${trusted('\n')}`)}</pre>`
        : NOTHING
    }${figures.map(
      (figure) =>
        html`<h3>${figure.title}</h3>
          ${queryOf(figure)}`,
    )}
  </section>`
}
