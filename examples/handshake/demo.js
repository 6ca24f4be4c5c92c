// node demo.js           two nodes meet on a memory network, whose trace is shown
// node demo.js MODULE    they meet over the backend that MODULE exports, such as @sockman/backend-poll
import { meet } from './src/meet.js'
import { meetInMemory } from './src/meet-in-memory.js'

const [module] = process.argv.slice(2)
if (module === undefined) {
  const network = await meetInMemory(1, console.log)
  console.log(`\n${network.report(12)}`)
} else {
  const { backend } = await import(module)
  await meet(backend, backend, '127.0.0.1:0', console.log)
}
