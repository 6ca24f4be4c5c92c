// The checks that need no running program: style, types, packages, roles of threads.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { quiet } from './child.mjs'
import { checkRoles } from './roles.mjs'
import { turbo } from './turbo.mjs'
import { at, manifest, packageFolders } from './workspace.mjs'

const CPP = /\.(cc|h)$/
const GENERATED = /(^|\/)(node_modules|build|dist)\//

/** The C++ sources of all packages, paths below the root. */
function cppFiles() {
  return packageFolders().flatMap((folder) =>
    readdirSync(at(folder), { recursive: true })
      .map((file) => `${folder}/${file}`)
      .filter((file) => CPP.test(file) && !GENERATED.test(file)),
  )
}

const installed = (program) => spawnSync(program, ['--version']).status === 0

/**
 * Runs every check, also after one failed, and prints `N passed, N failed` over the checks. clang-format and clang are
 * asked where they are installed. Resolves to whether all passed.
 */
export async function lint(env) {
  const published = packageFolders().filter((folder) => !manifest(folder).private)
  const files = cppFiles()
  const color = process.stderr.isTTY ? 'force' : 'off'
  const results = [
    await quiet('biome', 'biome', ['ci', '--error-on-warnings', `--colors=${color}`, '.'], { env }),
    await turbo('types', ['build', 'typecheck'], [], env),
  ]
  for (const folder of published) {
    results.push(
      await quiet(`publint ${folder}`, 'publint', ['run', '--strict', '--pack', 'pnpm', folder], { env }),
    )
  }
  if (files.length > 0) {
    if (installed('clang-format')) {
      results.push(await quiet('clang-format', 'clang-format', ['--dry-run', '-Werror', ...files], { env }))
    } else {
      console.log('skipped clang-format, it is not installed: apt-get install -y clang-format')
    }
  }
  if (installed('clang++')) {
    const roles = await checkRoles(env)
    if (roles.skipped) console.log(`skipped the check of roles: ${roles.skipped}`)
    else results.push(...roles)
  } else {
    console.log('skipped the check of roles, clang is not installed: apt-get install -y clang')
  }
  const passed = results.filter(Boolean).length
  console.log(`${passed} passed, ${results.length - passed} failed`)
  return passed === results.length
}

/** Rewrites every file in the project's style. Resolves to success; clang-format must be installed. */
export async function format(env) {
  const biome = await quiet('biome', 'biome', ['check', '--write', '--colors=off', '.'], { env })
  const files = cppFiles()
  const cpp = files.length === 0 || (await quiet('clang-format', 'clang-format', ['-i', ...files], { env }))
  return biome && cpp
}
