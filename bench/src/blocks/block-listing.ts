import { readdirSync, statSync } from 'node:fs'
import { basename, dirname, extname, join } from 'node:path'
import { BenchError } from '../errors'
import { BlockFile } from './block-file'
import { ObfuscationKey } from './obfuscation'

const EXTENSIONS = ['.raw', '.dat', '.blk', '.bin', '.bz2']
/** A node's files: blocks, and what undoes them. More than five digits come after 99 999 files. */
const NODE_FILE = /^blk(\d{5,})\.dat$/
const UNDO_FILE = /^rev\d{5,}\.dat$/
const KEY_FILE = 'xor.dat'
/** So many names are said of what is left out. */
const MOST_NAMES = 5

/** The files that `--blocks` names. */
export interface BlockListing {
  readonly files: readonly BlockFile[]
  /** `folder`: a node's blocks folder; `file`: one file of such a folder; `sample`: files of any origin. */
  readonly kind: 'folder' | 'file' | 'sample'
  /** What was left out and why, one line each. */
  readonly notes: readonly string[]
}

/** @throws BenchError for a path that holds no blocks, saying what it is and what to name instead */
export function listBlockFiles(path: string): BlockListing {
  const kind = statSync(path)
  if (kind.isDirectory()) return listFolder(path)
  if (!kind.isFile())
    throw new BenchError(`${path} is neither a file nor a directory: copy its blocks into a file`)
  const name = basename(path)
  if (UNDO_FILE.test(name)) {
    throw new BenchError(`${path} holds undo data and no blocks: name the file ${name.replace('rev', 'blk')}`)
  }
  if (name === KEY_FILE) {
    throw new BenchError(`${path} holds the key of the files beside it: name the folder ${dirname(path)}`)
  }
  if (!NODE_FILE.test(name)) return { files: [new BlockFile(path, undefined)], kind: 'sample', notes: [] }
  return { ...nodeFiles(dirname(path), [name]), kind: 'file' }
}

function listFolder(folder: string): BlockListing {
  const names = readNames(folder)
  const blockNames = names.filter((name) => NODE_FILE.test(name))
  if (blockNames.length > 0) {
    const number = (name: string) => Number(NODE_FILE.exec(name)![1])
    const { files, notes } = nodeFiles(
      folder,
      blockNames.sort((a, b) => number(a) - number(b)),
    )
    const others = names.filter((name) => !NODE_FILE.test(name) && name !== KEY_FILE)
    return {
      files,
      kind: 'folder',
      notes:
        others.length > 0 ? [...notes, `${describe(others)}: left out, only blk*.dat hold blocks`] : notes,
    }
  }
  const inner = join(folder, 'blocks')
  if (names.includes('blocks') && !isFile(inner) && readNames(inner).some((name) => NODE_FILE.test(name))) {
    throw new BenchError(`${folder} is a node's data folder: name its blocks, ${inner}`)
  }
  return listSample(folder, names)
}

function listSample(folder: string, names: readonly string[]): BlockListing {
  const notes: string[] = []
  const taken = names.filter((name) => {
    const known = EXTENSIONS.includes(extname(name)) && !UNDO_FILE.test(name) && name !== KEY_FILE
    const take = known && isFile(join(folder, name))
    if (!take) notes.push(`${name} is left out: not a file named ${EXTENSIONS.map((e) => `*${e}`).join(' ')}`)
    return take
  })
  if (taken.length === 0) throw new BenchError(`${folder} holds no block file (${EXTENSIONS.join(' ')})`)
  return { files: taken.map((name) => new BlockFile(join(folder, name), undefined)), kind: 'sample', notes }
}

function nodeFiles(folder: string, names: readonly string[]): { files: BlockFile[]; notes: string[] } {
  const key = ObfuscationKey.of(folder)
  return {
    files: names.map((name) => new BlockFile(join(folder, name), key)),
    notes: key ? [`the files of ${folder} are obfuscated: read with the key in xor.dat`] : [],
  }
}

/** `12 × rev*.dat (undo data), index, notes.txt`: a real folder holds thousands. */
function describe(names: readonly string[]): string {
  const others = names.filter((name) => !UNDO_FILE.test(name))
  const undo = names.length - others.length
  const parts = others.slice(0, MOST_NAMES)
  if (undo > 0) parts.unshift(`${undo} × rev*.dat (undo data)`)
  if (others.length > MOST_NAMES) parts.push(`${others.length - MOST_NAMES} more`)
  return parts.join(', ')
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch (error) {
    throw new BenchError(`${folder}: ${(error as Error).message}`)
  }
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch (error) {
    throw new BenchError(`${path}: ${(error as Error).message}`)
  }
}
