import type { Drive } from './capabilities'
import { invalidArgument, SockError } from './errors'
import type { ResolvedSockManOptions, SockManOptions } from './options'

/** One choice of engine, drive and settings, as written `name[:drive][:key=value…]`. */
export interface Row {
  readonly name: string
  readonly drive?: Drive | undefined
  readonly settings: Readonly<Record<string, string>>
}

/**
 * Reads a row: `poll`, `iouring:thread`, `iouring:inline:receivePool=8M`. The grammar is the same in the `backend`
 * option, in `SOCKMAN_BACKEND` and in the bench.
 *
 * @throws SockError `ERR_INVALID_ARG_VALUE`, naming the part that does not fit; `ERR_INVALID_ARG_TYPE` for no string
 */
export function parseRow(text: string): Row {
  if (typeof text !== 'string') throw invalidArgument('ERR_INVALID_ARG_TYPE', 'row', 'a string', text)
  const [name, ...parts] = text.split(':')
  if (!name || !/^[a-z][a-z0-9-]*$/.test(name))
    throw bad(text, `${JSON.stringify(name ?? '')} is not a backend's name`)
  let drive: Drive | undefined
  const settings: Record<string, string> = {}
  for (const [index, part] of parts.entries()) {
    const equals = part.indexOf('=')
    if (equals > 0) settings[part.slice(0, equals)] = part.slice(equals + 1)
    else if (index === 0 && (part === 'thread' || part === 'inline')) drive = part
    else throw bad(text, `${JSON.stringify(part)} is neither thread, inline nor key=value`)
  }
  return { name, ...(drive && { drive }), settings }
}

/** The text of a row. */
export function formatRow(row: Row): string {
  const settings = Object.entries(row.settings).map(([key, value]) => `${key}=${value}`)
  return [row.name, ...(row.drive ? [row.drive] : []), ...settings].join(':')
}

/**
 * The drive and settings of a row as options: sizes and numbers, `true` and `false`. Which options there are and what
 * they may be is checked where they are used.
 *
 * @throws SockError `ERR_INVALID_ARG_VALUE`, naming the setting that is none of these
 */
export function rowOptions(row: Row): SockManOptions {
  const { drive, settings } = row
  const values = Object.entries(settings).map(([key, value]) => {
    const parsed = value === 'true' || value === 'false' ? value === 'true' : parseSize(value)
    if (parsed !== undefined) return [key, parsed]
    const what = `${key} takes a number, a size such as 8M, true or false, not ${JSON.stringify(value)}`
    throw bad(formatRow(row), what)
  })
  return { ...Object.fromEntries(values), ...(drive && { drive }) }
}

/** The settings of a row for the options that were given: what they were resolved to. */
export function settingsOf(options: SockManOptions, resolved: ResolvedSockManOptions): Row['settings'] {
  const given = Object.keys(options).filter(
    (key): key is keyof ResolvedSockManOptions =>
      key in resolved && options[key as keyof SockManOptions] !== undefined,
  )
  return Object.fromEntries(given.map((key) => [key, String(resolved[key])]))
}

/** A size in bytes: digits with an optional K, M or G (powers of 1 024), as in `receivePool=8M`; undefined if it is none. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+)([KMG]?)i?B?$/i.exec(text)
  if (!match) return undefined
  const shift = { '': 0, K: 10, M: 20, G: 30 }[match[2]!.toUpperCase()]!
  return Number(match[1]) * 2 ** shift
}

function bad(text: string, why: string): SockError {
  return new SockError(`invalid backend ${JSON.stringify(text)}: ${why}`, { code: 'ERR_INVALID_ARG_VALUE' })
}
