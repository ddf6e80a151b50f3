import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sqlFacts as sqlFactsSchema, type SqlStatement } from '../../pdp/contract/facts.ts'
import { beginsLikeSql, sqlFacts } from './sql.ts'

const facts = (text: string, dialect: 'postgres' | 'unknown' = 'postgres') =>
  sqlFacts([{ text, dialect }]).facts
const only = (text: string): SqlStatement => facts(text).statements[0]!

test('a statement is described by kind, tables, columns, functions and whether it writes', () => {
  expect(only('SELECT a.Id, count(*) FROM Sales.Orders a JOIN b USING (x) WHERE id = 1')).toEqual({
    kind: 'select',
    tables: ['b', 'sales.orders'],
    columns: ['id'],
    writes: false,
    has_where: true,
    functions: ['count'],
  })
  expect(only('update t set a = 1, b = 2 where c = 3')).toMatchObject({
    kind: 'update',
    tables: ['t'],
    columns: expect.arrayContaining(['a', 'b', 'c']) as string[],
    writes: true,
    has_where: true,
  })
})

test.each([
  ['insert into t values (1)', 'insert', true],
  ['delete from t', 'delete', true],
  ['merge into t using s on t.a = s.a when matched then delete', 'merge', true],
  ['truncate a, b', 'truncate', true],
  ['drop table a', 'drop', true],
  ['drop database a', 'drop', true],
  ['drop owned by a', 'drop', true],
  ['alter table t drop column c', 'drop', true],
  ['alter table t add column c int', 'alter', true],
  ['create table t as select 1', 'create', true],
  ['create index on t (a)', 'create', true],
  ['grant select on t to x', 'grant', true],
  ['revoke select on t from x', 'grant', true],
  ['copy t from stdin', 'copy', true],
  ['copy t to stdout', 'copy', false],
  ['do $$ begin end $$', 'do', true],
  ['call f()', 'call', true],
  ['set role x', 'set', false],
  ['show all', 'set', false],
  ['begin', 'transaction', false],
  ['vacuum t', 'other', true],
  ['explain delete from t', 'other', false],
  ['explain analyze delete from t', 'delete', true],
  ['prepare p as delete from t', 'delete', true],
  ['declare c cursor for select 1', 'select', false],
  ['select 1 into t', 'select', true],
  ['select nextval($$s$$)', 'select', true],
  ['values (1)', 'select', false],
])('%s is %s, writes: %s', (sql, kind, writes) => {
  expect(only(sql)).toMatchObject({ kind, writes })
})

describe('names of common table expressions', () => {
  test.each([
    ['with a as (select * from t) select * from a', ['t']],
    // One that has a table's name reads the table, unless it is recursive.
    ['with t as (select * from t) select * from t', ['t']],
    ['with recursive t as (select * from t) select * from t', []],
    ['with a as (select 1), b as (select * from a) select * from b', []],
    ['with b as (select * from a), a as (select 1) select * from b', ['a']],
    // What is written to is a table, whatever WITH calls so.
    ['with t as (select 1) delete from t', ['t']],
    ['select * from t, (with t as (select 1) select * from t) x', ['t']],
    ['with t as (select 1) select * from s.t', ['s.t']],
    ['with a as (select 1) select * from a union with t as (select 1) select * from t', []],
  ])('%s reads %j', (sql, tables) => {
    expect(only(sql)?.tables ?? []).toEqual(tables)
  })
})

test('what changes data inside another statement is a statement of its own', () => {
  const { statements } = facts('with d as (delete from t returning *) select * from d')
  expect(statements.map(({ kind, writes, has_where }) => [kind, writes, has_where])).toEqual([
    ['select', true, false],
    ['delete', true, false],
  ])
})

test.each([
  ['', false],
  ['where true', false],
  ['where 1 = 1', false],
  ['where id = id', false],
  ['where id = 1 or true', false],
  ['where id = 1 or 2 > 1', false],
  ['where (select true)', false],
  ['where id = 1', true],
  ['where true and id = 1', true],
  ['where not deleted', true],
  ['where id in (select id from s)', true],
  ['where current of c', true],
])('delete from t %s: says which rows: %s', (where, says) => {
  expect(only(`delete from t ${where}`).has_where).toBe(says)
})

test('comments, several statements and case do not hide anything', () => {
  const kinds = (sql: string) => facts(sql).statements.map(({ kind }) => kind)
  expect(kinds('select 1; /* ; */ dRoP/**/TABLE x; -- drop table y')).toEqual(['select', 'drop'])
  expect(kinds("select 'drop table x'")).toEqual(['select'])
  expect(kinds('select 1 /* /* */ ; drop table x */')).toEqual(['select'])
})

test.each([
  ['drop tabel x', 'syntax'],
  ['select 1;\0 drop table x', 'syntax'],
  ['do $$ begin execute $x$ drop table t $x$; end $$', 'code'],
  ['execute p', 'code'],
  ["load 'x'", 'code'],
  ["create function f() returns int language sql as 'select 1'", 'code'],
  ["select query_to_xml('drop table x', true, true, '')", 'code'],
  ["select public.dblink_exec('drop table x')", 'code'],
])('%j is undetermined: %s', (sql, why) => {
  expect(facts(sql).undetermined).toEqual([why])
})

test.each([
  'select 1 /*! ; drop table x */',
  'select 1 /*M! ; drop table x */',
  'select 1 /* /* */ ; drop table x; -- */',
  "select '\\'' ; drop table x; -- '",
  "select 1 # '\n; drop table x; -- '",
  'select 5--1; drop table x',
  'select $$ ; drop table x; select $$',
])('%j, which databases read in several ways, is undetermined unless it is PostgreSQL', (sql) => {
  expect(facts(sql, 'unknown').undetermined).toContain('dialect')
  expect(facts(sql).undetermined).not.toContain('dialect')
})

test('names in back-quotes are names', () => {
  const { facts: found } = sqlFacts([{ text: 'delete from `My Table`', dialect: 'mysql' }])
  expect(found.statements).toMatchObject([{ kind: 'delete', tables: ['my table'] }])
  expect(found.undetermined).toEqual([])
})

test('COPY says what it reads or writes beside the table', () => {
  expect(only("copy t from program 'x'").copies).toBe('program')
  expect(only("copy t to '/tmp/x'")).toMatchObject({ copies: 'file', writes: true })
  expect(only('copy (select 1) to stdout').copies).toBe('client')
})

test('facts stay small: what does not fit makes them incomplete', () => {
  const many = sqlFacts([{ text: 'select 1;'.repeat(500), dialect: 'postgres' }])
  expect(many.facts.statements).toHaveLength(100)
  expect(many.incomplete).toEqual(['sql: more than fits'])
  const long = sqlFacts([{ text: `select '${'x'.repeat(70_000)}'`, dialect: 'postgres' }])
  expect(long).toEqual({
    facts: { statements: [], undetermined: ['syntax'] },
    incomplete: ['sql: too long'],
  })
  const wide = Array.from({ length: 3000 }, (_, k) => `col_${k}`).join(',')
  expect(sqlFacts([{ text: `select ${wide}`, dialect: 'postgres' }]).incomplete).toEqual([
    'sql: more than fits',
  ])
})

test('SQL that exhausts the parser is undetermined, and so is all other until a fresh one is there', async () => {
  const deep = `select 1${'+1'.repeat(32_000)}`
  expect(facts(deep).undetermined).toEqual(['parser'])
  expect(facts('select 1').undetermined).toEqual(['parser'])
  await expect.poll(() => facts('select 1').undetermined).toEqual([])
  expect(only('drop table t').kind).toBe('drop')
})

test('text that only might be SQL says nothing when it is none', () => {
  const perhaps = (text: string) => sqlFacts([{ text, dialect: 'unknown', perhaps: true }]).facts
  expect(perhaps('update the documentation').undetermined).toEqual([])
  expect(perhaps('drop table t').statements).toMatchObject([{ kind: 'drop' }])
})

test('a text begins like SQL behind comments, brackets and semicolons', () => {
  for (const sql of ['select 1', ' ;; DROP table x', '/* a */ -- b\n delete', '((values (1)))'])
    expect(beginsLikeSql(sql)).toBe(true)
  for (const text of ['how to drop a table', 'selection', 'drop-in', '', '-- drop', 'my select'])
    expect(beginsLikeSql(text)).toBe(false)
})

test('any text gives facts of the contract shape', () => {
  const piece = fc.oneof(
    fc.string({ maxLength: 8 }),
    fc.constantFrom(
      'select ',
      'delete from t ',
      'with a as (',
      ')',
      '(',
      ';',
      "'",
      '"',
      '$$',
      '--',
      '/*',
      '*/',
      'where ',
      'drop table x',
      'update t set a = 1 ',
      'from ',
      'do ',
      '\n',
      ' 1 ',
    ),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
      const found = sqlFacts([{ text: pieces.join(''), dialect: 'unknown' }])
      sqlFactsSchema.parse(found.facts)
      // Nothing that parses can hide a statement behind it.
      if (found.facts.undetermined.length + found.incomplete.length > 0) return
      const more = sqlFacts([
        { text: `${pieces.join('')}\n;drop table hidden`, dialect: 'unknown' },
      ])
      expect(more.facts.statements.some(({ tables }) => tables.includes('hidden'))).toBe(true)
    }),
    { numRuns: 2000 },
  )
})
