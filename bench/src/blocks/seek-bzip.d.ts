declare module 'seek-bzip' {
  /** Decompresses a whole bzip2 file. Throws an Error for malformed input. */
  function decode(input: Buffer): Buffer
  const bzip: { decode: typeof decode }
  export default bzip
}
