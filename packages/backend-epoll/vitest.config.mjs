export { default } from '../../vitest.backend.mjs'
