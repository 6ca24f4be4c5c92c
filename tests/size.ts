/** Whether the long sizes are asked for: `SOCKMAN_SUITE=full`. */
export const full = process.env.SOCKMAN_SUITE === 'full'
