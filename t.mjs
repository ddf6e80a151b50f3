import * as z from 'node:zlib'; import * as c from 'node:crypto'
console.log(process.version, typeof z.zstdCompressSync)
const b=c.randomBytes(2048).toString('base64').slice(0,2048); const buf=Buffer.from(b)
const k=c.randomBytes(32)
function bench(n,f,N=20000){for(let i=0;i<N;i++)f();const t=performance.now();for(let i=0;i<N;i++)f();console.log(n,((performance.now()-t)/N*1000).toFixed(2),'us')}
bench('gcm 2k',()=>{const iv=c.randomBytes(12);const e=c.createCipheriv('aes-256-gcm',k,iv);e.setAAD(iv);const x=e.update(buf);e.final();e.getAuthTag();return x})
const ko=c.createSecretKey(k)
bench('gcm 2k keyobject',()=>{const iv=c.randomBytes(12);const e=c.createCipheriv('aes-256-gcm',ko,iv);e.setAAD(iv);const x=e.update(buf);e.final();e.getAuthTag();return x})
bench('hmac 2k',()=>c.createHmac('sha256',ko).update(buf).digest())
bench('hmac 2k raw',()=>c.createHmac('sha256',k).update(buf).digest())
bench('hash 2k one-shot',()=>c.hash('sha256',buf,'buffer'))
bench('hash 64',()=>c.hash('sha256',buf.subarray(0,64),'buffer'))
bench('randombytes12',()=>c.randomBytes(12))
const j=Buffer.from(JSON.stringify({a:Array.from({length:300},(_, i)=>({role:'user',content:'hello world '+i}))}))
console.log(j.length);bench('zstd',()=>z.zstdCompressSync(j),2000);bench('zstd l1',()=>z.zstdCompressSync(j,{params:{[z.constants.ZSTD_c_compressionLevel]:1}}),2000);
const j4=j.subarray(0,4096);bench('zstd 4k',()=>z.zstdCompressSync(j4),2000);bench('hkdf',()=>c.hkdfSync('sha256',k,'',"x",32))
