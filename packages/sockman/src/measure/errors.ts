/** A measurement that cannot go on, or whose bytes are not what was sent: printed as one line. */
export class MeasureError extends Error {
  override readonly name = 'MeasureError'
}
