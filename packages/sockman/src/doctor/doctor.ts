import { candidates } from '../candidates'
import { measure, recommend, type Step, summarizeRows } from '../measure'
import { type Diagnosis, diagnose } from './diagnosis'
import { formatDiagnosis, formatMeasurement } from './report'

export interface DoctorOptions {
  readonly json?: boolean
  readonly measure?: boolean
}

/** Of `--json`; raised when a reader of the old form would misread the new one. */
const SCHEMA_VERSION = 1

/**
 * Examines this machine.
 *
 * @param version of this package
 * @param abort ends a measurement; its reason is thrown then
 * @param progress told what is being measured
 * @returns what to print
 * @throws MeasureError
 */
export async function doctor(
  options: DoctorOptions,
  version: string,
  abort: AbortSignal,
  progress: (step: Step) => void,
): Promise<string> {
  const diagnosis = await diagnose(candidates)
  const rows = options.measure ? rowsOf(diagnosis) : []
  const trials = rows.length > 0 ? await measure(rows, { abort, progress }) : undefined
  const summaries = trials && summarizeRows(trials)
  const recommendation = trials && recommend(trials)
  if (options.json) {
    const measurement = trials ? { trials, summaries, recommendation } : null
    const document = { schemaVersion: SCHEMA_VERSION, sockman: version, ...diagnosis, measurement }
    return JSON.stringify(document, finite, 2)
  }
  const text = `sockman ${version}\n${formatDiagnosis(diagnosis)}`
  if (!options.measure) return text
  return `${text}\n\n${summaries && recommendation ? formatMeasurement(summaries, recommendation) : 'No row is available: nothing to measure.'}`
}

function rowsOf({ findings }: Diagnosis): string[] {
  return findings.flatMap(({ name, drives }) => drives.map((drive) => `${name}:${drive}`))
}

/** JSON has no Infinity: an unlimited resource is the word. */
function finite(_: string, value: unknown): unknown {
  return value === Number.POSITIVE_INFINITY ? 'unlimited' : value
}
